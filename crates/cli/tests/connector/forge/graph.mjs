// A stand-in for the vendor's `@forge/teamwork-graph`, which cannot be obtained: the methods that its
// documentation names, the checks that it documents, and its envelope. What is real is the transport below:
// `@forge/api`, which hands every call to `__forge_fetch__`.

import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { __requestAtlassianAsApp } = require("@forge/api");

const BASE = "/teamwork-graph/v1";

/** Sends a request through the real library, and turns the answer into the envelope. */
const call = async (failure, method, path, body) => {
  const init = { method, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  try {
    const response = await __requestAtlassianAsApp(BASE + path, init);
    const reply = await response.json();
    if (response.ok) return reply;
    return { success: false, error: reply.error || failure, originalError: { status: response.status, ...reply } };
  } catch (originalError) {
    return { success: false, error: failure, originalError };
  }
};

const refuse = (error) => ({ success: false, error });

const list = (name, items) => {
  if (!Array.isArray(items)) return `${name} must be an array`;
  if (items.length === 0) return `${name} array cannot be empty`;
  if (items.length > 100) return `${name} array cannot contain more than 100 items`;
};

const query = (parameters) =>
  Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join("&");

export const graph = {
  async setObjects(request) {
    const problem = list("objects", request.objects);
    return problem ? refuse(problem) : call("Failed to set objects", "POST", "/objects/bulk", request);
  },
  async getObjectByExternalId({ objectType, externalId, connectionId }) {
    if (!objectType) return refuse("objectType is required");
    if (!externalId) return refuse("externalId is required");
    const path = `/objects?${query({ objectType, externalId, connectionId })}`;
    return call("Failed to get object by external ID", "GET", path);
  },
  async deleteObjectsByExternalId(request) {
    const problem = list("externalIds", request.externalIds);
    return problem ? refuse(problem) : call("Failed to delete objects", "DELETE", "/objects/bulk", request);
  },
  async deleteObjectsByProperties(request) {
    const { properties } = request;
    if (typeof properties !== "object" || properties === null) return refuse("properties must be an object");
    if (Object.keys(properties).length === 0) return refuse("properties object cannot be empty");
    return call("Failed to delete objects by properties", "DELETE", "/objects/by-properties", request);
  },
  async setUsers(request) {
    const problem = list("users", request.users);
    return problem ? refuse(problem) : call("Failed to set users", "POST", "/users/bulk", request);
  },
  async getUserByExternalId(request) {
    return call("Failed to get user by external ID", "GET", `/users?${query(request)}`);
  },
  async deleteUsersByExternalId(request) {
    const problem = list("externalIds", request.externalIds);
    return problem ? refuse(problem) : call("Failed to delete users", "POST", "/users/delete", request);
  },
  async mapUsers(request) {
    return call("Failed to map users", "POST", "/users/map", request);
  },
  async setGroups(request) {
    const problem = list("groups", request.groups);
    return problem ? refuse(problem) : call("Failed to set groups", "POST", "/groups/bulk", request);
  },
  async getGroupByExternalId(request) {
    return call("Failed to get group by external ID", "GET", `/groups?${query(request)}`);
  },
  async deleteGroupsByExternalId(request) {
    const problem = list("externalIds", request.externalIds);
    return problem ? refuse(problem) : call("Failed to delete groups", "POST", "/groups/delete", request);
  },
};
