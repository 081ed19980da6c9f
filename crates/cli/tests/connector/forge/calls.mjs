// What a connector does, through the real `@forge/api`, against the server at GUILDHALL_URL with the token
// GUILDHALL_TOKEN. Ends with 0 when every answer is what such callers expect.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { graph } from "./graph.mjs";

const require = createRequire(import.meta.url);
const { default: api, route } = require("@forge/api");
const { version } = require("@forge/api/package.json");

const { GUILDHALL_URL: url, GUILDHALL_TOKEN: token, GUILDHALL_CLOUD_ID: cloudId } = process.env;
let bearer = token;
const sent = [];

// What the hosted runtime provides: the one door that the library sends everything through.
globalThis.__forge_fetch__ = (options, path, init = {}) => {
  sent.push({ type: options.type, provider: options.provider, method: init.method ?? "GET", path });
  return fetch(url + path, { ...init, headers: { ...init.headers, Authorization: `Bearer ${bearer}` } });
};

const object = (id, sequence, others = {}) => ({
  schemaVersion: "1.0",
  id,
  updateSequenceNumber: sequence,
  displayName: `Customer ${id}`,
  url: "https://customer-org.example.com",
  createdAt: "2024-04-16T09:31:32+00:00",
  lastUpdatedAt: new Date(1713259892000).toISOString(),
  permissions: [{ accessControls: [{ principals: [{ type: "EVERYONE" }] }] }],
  "atlassian:customer-org": { industry: "Technology" },
  ...others,
});
const objectType = "atlassian:customer-org";

const objects = async () => {
  const set = await graph.setObjects({
    objects: [object("a/b c?#é", 1), object("2", Date.now()), object("3", 1, { displayName: null })],
    properties: { source: "crm" },
    operationType: "NORMAL",
  });
  assert.equal(set.success, true);
  assert.deepEqual(set.results.accepted.map((item) => item.entityId), ["a/b c?#é", "2"]);
  assert.deepEqual(set.results.validObjects, set.results.accepted);
  assert.deepEqual(set.results.rejected, [
    {
      key: { entityType: objectType, entityId: "3" },
      index: 2,
      errors: [{ key: "displayName", message: "displayName is required" }],
    },
  ]);
  const read = await graph.getObjectByExternalId({ objectType, externalId: "a/b c?#é" });
  assert.equal(read.success, true);
  assert.deepEqual(read.object, {
    ...object("a/b c?#é", 1),
    createdAt: "2024-04-16T09:31:32.000Z",
    lastUpdatedAt: "2024-04-16T09:31:32.000Z",
  });
  const none = await graph.setObjects({ objects: [object("3", -1)] });
  assert.equal(none.success, false);
  assert.equal(none.results.rejected[0].errors[0].key, "updateSequenceNumber");
  assert.equal(typeof none.error, "string");
};

const deletes = async () => {
  const gone = await graph.deleteObjectsByExternalId({ objectType, externalIds: ["2", "nobody"] });
  assert.equal(gone.success, true);
  assert.deepEqual(gone.results.map((item) => [item.externalId, item.statusCode]), [["2", 200], ["nobody", 404]]);
  const tagged = await graph.deleteObjectsByProperties({ objectType, properties: { source: "crm" } });
  assert.deepEqual(tagged, { success: true, deleted: 1 });
  const again = await graph.deleteObjectsByProperties({ objectType, properties: { source: "crm" } });
  assert.deepEqual(again, { success: true, deleted: 0 });
};

const people = async () => {
  const users = [{ externalId: "u|1", displayName: "Ann", emails: [{ value: "ann@example.com", primary: true }] }];
  const set = await graph.setUsers({ users });
  assert.equal(set.success, true);
  assert.equal(set.results.success.length, 1);
  assert.deepEqual(set.results.failures, []);
  const user = await graph.getUserByExternalId({ externalId: "u|1" });
  assert.equal(user.user.displayName, "Ann");
  const mapping = { externalId: "u|1", accountId: "acc-1", updateSequenceNumber: 1, updatedAt: Date.now() };
  assert.equal((await graph.mapUsers({ directMappings: [mapping] })).success, true);
  const groups = [{ externalId: "g1", displayName: "Group", members: [{ externalId: "u|1", type: "USER" }] }];
  assert.equal((await graph.setGroups({ groups })).success, true);
  const { group } = await graph.getGroupByExternalId({ externalId: "g1" });
  assert.equal(group.externalId, "g1");
  assert.equal(group.members[0].externalId, "u|1");
  const gone = await graph.deleteGroupsByExternalId({ externalIds: ["g1"] });
  assert.equal(gone.results[0].statusCode, 200);
  assert.equal((await graph.getGroupByExternalId({ externalId: "g1" })).error, "Group not found");
  const left = await graph.deleteUsersByExternalId({ externalIds: ["u|1"] });
  assert.equal(left.results[0].statusCode, 200);
};

// The door that the library itself has for connectors, with both forms of the path.
const connectedData = async () => {
  const body = JSON.stringify({ objects: [object("by-route", 1)] });
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  const set = await api
    .asApp()
    .requestConnectedData(route`/teamwork-graph/v1/objects/bulk`, { method: "POST", headers, body });
  assert.equal(set.status, 200);
  const externalId = "by-route";
  const query = new URLSearchParams({ objectType, externalId });
  const read = await api
    .asApp()
    .requestConnectedData(route`/teamwork-graph/v1/cloud/${cloudId}/objects?${query}`);
  assert.equal(read.status, 200);
  assert.equal((await read.json()).object.id, externalId);
};

// The library throws when an answer has the header `forge-proxy-error`: ours never has.
const refusals = async () => {
  const missing = await graph.getObjectByExternalId({ objectType, externalId: "nobody" });
  assert.deepEqual([missing.success, missing.error], [false, "Object not found"]);
  assert.equal(missing.originalError.status, 404);
  const bad = await graph.setObjects({ objects: [object("x", 1)], operationType: "SOMETIMES" });
  assert.equal(bad.originalError.status, 400);
  assert.equal(bad.originalError.errors[0].key, "operationType");
  const many = await graph.setObjects({ objects: Array(101).fill(object("x", 1)) });
  assert.equal(many.error, "objects array cannot contain more than 100 items");
  bearer = "guild_wrong";
  const stranger = await graph.setObjects({ objects: [object("x", 1)] });
  assert.equal(stranger.success, false);
  assert.equal(stranger.originalError.status, 401);
  bearer = token;
};

await objects();
await deletes();
await people();
await connectedData();
await refusals();
assert.equal(version, "8.3.0");
assert.ok(sent.every((call) => call.type === "fpp" && call.provider === "app"), JSON.stringify(sent));
assert.ok(sent.some((call) => call.path.startsWith("/connected-data/teamwork-graph/v1/cloud/")));
console.log(`@forge/api ${version}: ${sent.length} calls`);
