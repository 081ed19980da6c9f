//! What is known to be there: learned from answers, picked for the next requests.

use serde_json::Value;

use crate::requests::{Asked, KNOWN_MAX, Requests};
use crate::side::Answered;
use crate::texts;

impl Requests {
    /// An id of a kind: mostly one that is there, sometimes what is gone, another kind's, or nothing.
    pub fn id(&self, parameter: &'static str) -> String {
        let known = self.known.get(parameter).map_or(&[][..], Vec::as_slice);
        match self.random.below(30) {
            0 => texts::odd(&self.random),
            1 if !self.gone.is_empty() => self.random.pick(&self.gone).clone(),
            2 => "01a20176-817c-7eae-a7c7-c297aaaeb834".to_owned(),
            3 if !known.is_empty() => self.random.pick(known).to_uppercase(),
            4 if !known.is_empty() => format!(" {}", self.random.pick(known)),
            _ if known.is_empty() => "1".to_owned(),
            _ => self.random.pick(known).clone(),
        }
    }

    /// Some ids of a kind, in most lists all of them there.
    pub fn ids(&self, parameter: &'static str, max: u64) -> Vec<String> {
        let known = self.known.get(parameter).filter(|_| self.random.chance(0.85));
        let one = |_| match known {
            Some(known) if !known.is_empty() => self.random.pick(known).clone(),
            _ => self.id(parameter),
        };
        (0..self.random.below(max + 1)).map(one).collect()
    }

    /// A field and values for it: mostly a defined one, and values of its type.
    pub fn value(&self, list: &str) -> (String, Vec<String>) {
        let random = &self.random;
        let fields = self.fields.get(list).map_or(&[][..], Vec::as_slice);
        if fields.is_empty() || random.chance(0.2) {
            return (texts::field(random), texts::values(random));
        }
        let field = random.pick(fields);
        let options = field["type"]["options"].as_array().into_iter().flatten();
        let options: Vec<&str> = options.filter_map(Value::as_str).collect();
        let name = field["name"].as_str().unwrap_or_default().to_owned();
        (
            name,
            texts::values_of(random, field["type"]["name"].as_str(), &options),
        )
    }

    /// The name of a field of whichever kind.
    pub fn field_name(&self) -> String {
        match self.fields.values().flatten().collect::<Vec<_>>() {
            fields if fields.is_empty() || self.random.chance(0.4) => texts::field(&self.random),
            fields => self.random.pick(&fields)["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// Keeps in mind what an answer shows.
    pub fn learn(&mut self, asked: &Asked, answered: &Answered) {
        let Some((method, path)) = asked.operation else {
            return;
        };
        if method == "DELETE" && matches!(answered.status, 204 | 404) {
            for (parameter, id) in &asked.params {
                self.forget(parameter, id);
            }
        }
        if answered.status != 200 {
            return;
        }
        let answer: Value = serde_json::from_str(&answered.body).unwrap();
        if let (true, Some(fields)) = (
            method == "GET" && path.ends_with("/details"),
            answer["results"].as_array(),
        ) {
            self.fields.insert(path, fields.clone());
        }
        let id = |value: &Value| value["id"].as_str().map(str::to_owned);
        let each = |member: &str, place: &str| -> Vec<String> {
            let items = answer[member].as_array().into_iter().flatten();
            items
                .filter_map(|item| item[place].as_str().map(str::to_owned))
                .collect()
        };
        let (parameter, ids) = match (method, path) {
            ("POST", "/organization" | "/organization/profile") => {
                ("organizationId", vec![id(&answer).unwrap()])
            }
            ("POST", "/organization/fetch") => ("organizationId", each("organizations", "id")),
            ("POST", "/organization/profile/fetch") => ("organizationId", each("profiles", "id")),
            ("POST", "/customer") => ("customerId", vec![id(&answer).unwrap()]),
            ("POST", "/product") => ("productId", vec![id(&answer).unwrap()]),
            ("GET", "/product") => ("productId", each("results", "id")),
            ("POST", path) if path.ends_with("Id}/entitlement") => {
                ("entitlementId", vec![id(&answer).unwrap()])
            }
            ("GET", path) if path.contains("/organization/profile/") => {
                ("entitlementId", each("entitlements", "id"))
            }
            ("POST", path) if path.ends_with("/bulk") => ("taskId", vec![id(&answer).unwrap()]),
            ("GET", "/tasks/{taskId}/items") => ("organizationId", each("items", "entityId")),
            _ => ("", Vec::new()),
        };
        for id in ids {
            let is_number = id.parse::<u64>().is_ok();
            if parameter != "organizationId" || is_number {
                self.know(parameter, id);
            }
        }
        for member in ["nextPageCursor", "nextCursor"] {
            if let Some(cursor) = answer[member].as_str() {
                self.know("cursor", cursor.to_owned());
            }
        }
    }

    fn know(&mut self, parameter: &'static str, id: String) {
        let known = self.known.entry(parameter).or_default();
        if !known.contains(&id) {
            known.push(id);
        }
        // Nobody deletes these.
        if matches!(parameter, "taskId" | "cursor") && known.len() > KNOWN_MAX {
            known.remove(0);
        }
    }

    fn forget(&mut self, parameter: &str, id: &str) {
        if let Some(known) = self.known.get_mut(parameter) {
            known.retain(|known| known != id);
        }
        self.gone.push(id.to_owned());
        if self.gone.len() > KNOWN_MAX {
            self.gone.remove(0);
        }
    }
}
