//! The example payloads of the vendor's pages, as they stand there, and their canonical forms.

use super::*;

const CATEGORY: &str = include_str!("seeds/customer-org-category.json");
const CUSTOMER_ORG: &str = include_str!("seeds/customer-org.json");
const ORGANISATION: &str = include_str!("seeds/organisation.json");

#[test]
fn the_category_example() {
    let object = first(CATEGORY);
    assert_eq!(
        object.body,
        concat!(
            r#"{"schemaVersion":"1.0","id":"customer-org-category-example-1","updateSequenceNumber":1,"#,
            r#""displayName":"CustomerOrgCategory noun example","#,
            r#""url":"https://www.atlassian.com/share/customer-org-category","#,
            r#""createdAt":"2024-07-09T14:27:37.000Z","createdBy":{"externalId":"external-id-1"},"#,
            r#""lastUpdatedAt":"2024-07-09T14:27:37.000Z","lastUpdatedBy":{"externalId":"external-id-2"},"#,
            r#""permissions":[{"accessControls":[{"principals":[{"type":"EVERYONE"}]}]}],"#,
            r#""atlassian:customer-org-category":{"key":"category key","categoryType":"category type"}}"#,
        )
    );
    assert_eq!(object.object_type, ObjectType::CustomerOrgCategory);
    assert_eq!(object.id, "customer-org-category-example-1");
    assert_eq!((object.sequence, object.sensitive), (1, None));
}

#[test]
fn the_customer_org_example() {
    let request = set(CUSTOMER_ORG);
    assert_eq!(request.connection_id, None);
    let object = first(CUSTOMER_ORG);
    assert_eq!(
        object.body,
        concat!(
            r#"{"schemaVersion":"1.0","id":"customer-org-1","updateSequenceNumber":1,"#,
            r#""displayName":"Customer Organization Name","#,
            r#""description":"A description of the customer organization.","#,
            r#""url":"https://customer-org.example.com","createdAt":"2024-04-16T09:31:32.000Z","#,
            r#""createdBy":{"externalId":"external-id-1"},"lastUpdatedAt":"2024-04-16T09:31:32.000Z","#,
            r#""lastUpdatedBy":{"externalId":"external-id-1"},"owners":[{"externalId":"external-id-1"}],"#,
            r#""thumbnail":{"externalUrl":"http://example-app.com/thumbnail-url","mimeType":"image/png"},"#,
            r#""permissions":[{"action":"read","accessControls":[{"principals":[{"type":"EVERYONE"}]}]}],"#,
            r#""atlassian:customer-org":{"contacts":[{"externalId":"external-id-1"}],"#,
            r#""customerOrgLastActivity":{"lastActivityAt":"2023-05-01T05:00:45.000Z","event":"delete"},"#,
            r#""customerOrgLifeTimeValue":{"value":1000000.0,"currencyCode":"USD"},"#,
            r#""websiteUrl":"https://customer-org.example.com","industry":"Technology","#,
            r#""contributors":[{"externalId":"123123456"}],"country":"USA","accountType":"Bronze"}}"#,
        )
    );
    assert_eq!(object.object_type, ObjectType::CustomerOrg);
    assert_eq!(object.readers.access_controls, [[Principal::Everyone]]);
}

#[test]
fn the_organisation_example() {
    let object = first(ORGANISATION);
    assert_eq!(
        object.body,
        concat!(
            r#"{"schemaVersion":"2.0","id":"org-1","updateSequenceNumber":2,"displayName":"pos 2","#,
            r#""url":"https://example-org.com/path-to-org","createdAt":"2024-04-16T09:01:32.000Z","#,
            r#""lastUpdatedAt":"2024-07-09T14:27:37.000Z","#,
            r#""parentKey":{"type":"atlassian:organisation","value":{"entityId":"id of the parent org of this org"}},"#,
            r#""permissions":[{"action":"read","accessControls":[{"principals":[{"type":"EVERYONE"}]}]}],"#,
            r#""atlassian:organisation":{}}"#,
        )
    );
    assert_eq!(object.object_type, ObjectType::Organisation);
    assert_eq!(
        object.parent,
        Some(Key {
            object_type: "atlassian:organisation".to_owned(),
            entity_id: Some("id of the parent org of this org".to_owned()),
        })
    );
    assert_eq!(Object::whole(&object.body, None), object.body);
}

#[test]
fn canonical_forms_are_their_own() {
    for example in [CATEGORY, CUSTOMER_ORG, ORGANISATION] {
        let object = first(example);
        assert_eq!(first(&format!(r#"{{"objects":[{}]}}"#, object.body)), object);
    }
}
