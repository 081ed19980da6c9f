//! What is known to be there: learned from answers, picked for the next requests.

use serde_json::Value;

use crate::requests::{Asked, KNOWN_MAX, Requests, Who, encoded};
use crate::side::Answered;
use crate::texts;

impl Requests {
    /// An id of a kind: mostly one that is there, sometimes what is gone, another kind's, or nothing.
    pub fn id(&self, parameter: &'static str) -> String {
        let known = self.known.get(parameter).map_or(&[][..], Vec::as_slice);
        // Nothing of connectors is done without one.
        let most = if parameter == "connectionId" { 120 } else { 30 };
        match self.random.below(most) {
            0 => texts::odd(&self.random),
            1 if !self.gone.is_empty() => self.random.pick(&self.gone).clone(),
            2 => "01a20176-817c-7eae-a7c7-c297aaaeb834".to_owned(),
            3 if !known.is_empty() => self.random.pick(known).to_uppercase(),
            4 if !known.is_empty() => format!(" {}", self.random.pick(known)),
            _ if known.is_empty() => "1".to_owned(),
            // Most goes over one of them.
            5..60 if parameter == "connectionId" => known[0].clone(),
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

    /// A definition, mostly.
    fn field(&self, list: &str) -> Option<&Value> {
        let fields = self.fields.get(list).filter(|fields| !fields.is_empty());
        fields
            .filter(|_| self.random.chance(0.9))
            .map(|fields| self.random.pick(fields))
    }

    /// The name of a parameter that compares a field, and what it compares with.
    pub fn comparison(&self, list: &str) -> (String, String) {
        const ALL: [&str; 11] = [
            "eq", "ne", "lt", "lte", "gt", "gte", "prefix", "in", "has", "set", "like",
        ];
        let random = &self.random;
        let field = self.field(list);
        let field_type = field.and_then(|field| field["type"]["name"].as_str());
        let fitting: &[&str] = match field_type {
            Some("NUMBER" | "DATE") => &["eq", "ne", "lt", "lte", "gt", "gte", "set"],
            Some("BOOLEAN") => &["eq", "ne", "set"],
            Some("SELECT") => &["eq", "ne", "in", "set"],
            Some("MULTISELECT") => &["has", "has", "set"],
            Some(_) => &["eq", "ne", "prefix", "set"],
            None => &ALL,
        };
        let operator = match random.below(20) {
            0 => *random.pick(&ALL),
            _ => *random.pick(fitting),
        };
        let (name, values) = match field {
            Some(field) => self.value_of(field),
            None => (texts::field(random), texts::values(random)),
        };
        let first = values.first().cloned().unwrap_or_default();
        let value = match operator {
            "set" => (*random.pick(&["true", "false"])).to_owned(),
            "in" => serde_json::json!(values).to_string(),
            "prefix" => first.chars().take(random.below(4) as usize).collect(),
            _ => first,
        };
        (format!("detail.{name}.{operator}"), value)
    }

    /// A field and values for it: mostly a defined one, and values of its type.
    pub fn value(&self, list: &str) -> (String, Vec<String>) {
        let random = &self.random;
        let Some(field) = self.field(list) else {
            return (texts::field(random), texts::values(random));
        };
        self.value_of(field)
    }

    fn value_of(&self, field: &Value) -> (String, Vec<String>) {
        let random = &self.random;
        let options = field["type"]["options"].as_array().into_iter().flatten();
        let options: Vec<&str> = options.filter_map(Value::as_str).collect();
        let name = field["name"].as_str().unwrap_or_default().to_owned();
        (
            name,
            texts::values_of(random, field["type"]["name"].as_str(), &options),
        )
    }

    /// The name of a field, mostly of the kind that the path is about.
    pub fn field_name(&self, path: &str) -> String {
        let list = path.trim_end_matches("/{fieldName}");
        let name = self.field(list).and_then(|field| field["name"].as_str());
        name.map_or_else(|| texts::field(&self.random), str::to_owned)
    }

    /// Keeps in mind what an answer shows.
    pub fn learn(&mut self, asked: &Asked, answered: &Answered) {
        let Some((_, method, path)) = asked.operation else {
            return;
        };
        // A customer that leaves an organization is still there, as the organization is.
        let is_one = asked.params.len() == 1;
        if method == "DELETE" && is_one && matches!(answered.status, 204 | 404) {
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
        let (parameter, list) = match (method, path) {
            ("POST", "/organization" | "/organization/profile") => ("organizationId", ""),
            ("POST", "/customer" | "/customer/profile") => ("customerId", ""),
            ("POST", "/product") => ("productId", ""),
            ("POST", "/connections") => ("connectionId", ""),
            ("POST", path) if path.ends_with("Id}/entitlement") => ("entitlementId", ""),
            ("POST", path) if path.ends_with("/bulk") => ("taskId", ""),
            ("POST", "/organization/fetch") | ("GET", "/organizations") => {
                ("organizationId", "organizations")
            }
            ("POST", "/organization/profile/fetch") => ("organizationId", "profiles"),
            ("POST", "/customer/profile/fetch") => ("customerId", "profiles"),
            ("POST", "/customer/search-by-detail-field") | ("GET", "/customers") => {
                ("customerId", "customers")
            }
            ("GET", "/product") => ("productId", "results"),
            ("GET", "/products") => ("productId", "products"),
            ("GET", "/connections") => ("connectionId", "connections"),
            ("GET", "/entitlements") if answer["results"].is_array() => ("entitlementId", "results"),
            ("GET", "/entitlements") => ("entitlementId", "entitlements"),
            ("GET", path) if path.contains("/profile/") => ("entitlementId", "entitlements"),
            ("GET", "/tasks/{taskId}/items") => ("entityId", "items"),
            _ => ("", ""),
        };
        let shown: Vec<&Value> = match list {
            "" => vec![&answer],
            list => answer[list].as_array().into_iter().flatten().collect(),
        };
        let member = if parameter == "entityId" { parameter } else { "id" };
        // Of a long list a few, or most things would be deleted as soon as they are seen.
        let ids = shown.iter().filter_map(|thing| thing[member].as_str());
        for id in ids.take(4) {
            match (parameter, id.parse::<u64>()) {
                ("", _) => {}
                // With few connections those of another tenant would be in the way.
                ("connectionId", _) if asked.who == Who::Stranger => {}
                ("entityId", Ok(_)) => self.know("organizationId", id.to_owned()),
                ("entityId", Err(_)) => self.know("customerId", id.to_owned()),
                (parameter, _) => self.know(parameter, id.to_owned()),
            }
        }
        for thing in shown {
            let organizations = thing["organizations"].as_array().into_iter().flatten();
            if let Some(customer) = thing["id"].as_str() {
                let ids = organizations.filter_map(|organization| organization["id"].as_str());
                let pairs = ids.map(|id| [id.to_owned(), customer.to_owned()]);
                remember(&mut self.members, pairs);
            }
        }
        if let (Some(accepted), Some(sent)) = (answer["results"]["accepted"].as_array(), &asked.body) {
            let sent: Value = serde_json::from_slice(sent).unwrap();
            let connection = sent["connectionId"].as_str().unwrap_or_default();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let ids = accepted.iter().map(|object| {
                [
                    connection.to_owned(),
                    text(&object["entityType"]),
                    text(&object["entityId"]),
                ]
            });
            remember(&mut self.objects, ids);
        }
        for member in ["nextPageCursor", "nextCursor"] {
            if let Some(cursor) = answer[member].as_str() {
                self.know("cursor", cursor.to_owned());
                self.goes_on(asked, cursor);
            }
        }
    }

    /// Keeps the question for the page after this one in mind.
    fn goes_on(&mut self, asked: &Asked, cursor: &str) {
        let (path, query) = asked.uri.split_once('?').unwrap_or((&asked.uri, ""));
        let others = query.split('&').filter(|pair| !pair.starts_with("cursor="));
        let mut query: Vec<&str> = others.filter(|pair| !pair.is_empty()).collect();
        let cursor = format!("cursor={}", encoded(cursor));
        query.push(&cursor);
        let uri = format!("{path}?{}", query.join("&"));
        self.pages.push(Asked { uri, ..asked.clone() });
        if self.pages.len() > KNOWN_MAX {
            self.pages.remove(0);
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

fn remember<T>(known: &mut Vec<T>, more: impl Iterator<Item = T>) {
    known.extend(more);
    let too_many = known.len().saturating_sub(KNOWN_MAX);
    known.drain(..too_many);
}
