//! Every limit, in one place. The source of each is named; "ours" are decisions of this project.

/// Detail field definitions for each of organizations, customers and entitlements (vendor).
pub const DETAIL_FIELDS_MAX: usize = 50;
/// Options of one SELECT or MULTISELECT field (vendor).
pub const OPTIONS_MAX: usize = 2_000;
/// Characters in the name of a field, an option or a product (ours).
pub const NAME_CHARS_MAX: usize = 255;
/// Characters in the name of an organization (vendor).
pub const ORGANIZATION_NAME_CHARS_MAX: usize = 200;
/// Characters in a TEXT value (ours).
pub const TEXT_CHARS_MAX: usize = 5_000;
/// Organizations in one fetch (vendor).
pub const FETCH_ORGANIZATIONS_MAX: usize = 50;
/// Profiles in one fetch (vendor).
pub const FETCH_PROFILES_MAX: usize = 25;
/// Products on one page, and the page size when none is asked for (vendor).
pub const PRODUCTS_PAGE_MAX: usize = 100;
/// Entitlements on one page, and the page size when none is asked for (vendor).
pub const ENTITLEMENTS_PAGE_MAX: i64 = 25;
/// Values that one search may name (ours).
pub const SEARCH_VALUES_MAX: usize = 50;
/// Customers on one page of a search at most (ours).
pub const SEARCH_PAGE_MAX: i64 = 100;
/// Customers on one page of a search when nothing else is asked for (ours).
pub const SEARCH_PAGE_DEFAULT: i64 = 50;
/// Customers, or products, that one payload may associate (ours): what is written in one transaction
/// must not hold others up.
pub const ASSOCIATIONS_MAX: usize = 10_000;
/// Detail values that one payload may hold in all its fields together (ours), for the same reason: each
/// is a row of an index.
pub const PAYLOAD_VALUES_MAX: usize = 5_000;
/// Bytes in the body of a request (ours).
pub const BODY_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Levels of nesting in a JSON document (ours).
pub const JSON_DEPTH_MAX: usize = 64;
/// Characters in a customer id that is looked up; longer ones cannot exist (ours).
pub const CUSTOMER_ID_CHARS_MAX: usize = 255;
/// Digits in an organization id (ours): it always fits a signed 64-bit integer.
pub const ORGANIZATION_ID_DIGITS_MAX: usize = 18;
/// Days that a token lives unless told otherwise (ours).
pub const TOKEN_DAYS_DEFAULT: i64 = 90;
/// Days that a token may live at most (ours).
pub const TOKEN_DAYS_MAX: i64 = 365;
/// Characters in an EMAIL value (RFC 5321: 256 octets of a path, less its angle brackets).
pub const EMAIL_CHARS_MAX: usize = 254;
/// Characters in a NUMBER value (ours): its search key keeps every digit.
pub const NUMBER_CHARS_MAX: usize = 128;
/// Characters in a URL value (ours): what browsers and proxies are known to carry.
pub const URL_CHARS_MAX: usize = 2_048;
/// Characters in a USER value, an account id (ours).
pub const ACCOUNT_ID_CHARS_MAX: usize = 255;
/// Characters of a value that are searched (ours): longer ones are found by their beginning.
pub const VALUE_KEY_CHARS_MAX: usize = 255;
/// Profiles in one bulk request (vendor).
pub const BULK_PROFILES_MAX: usize = 100;
/// Organizations or accounts in one bulk request (vendor).
pub const BULK_ENTITIES_MAX: usize = 50;
/// Detail operations in one bulk request, over all its entities (vendor).
pub const BULK_DETAIL_OPERATIONS_MAX: usize = 1_000;
/// Definitions in one bulk request (vendor).
pub const BULK_DEFINITIONS_MAX: usize = 50;
/// Characters in an idempotency key (ours).
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// Tasks or receipts on one page (ours).
pub const TASKS_PAGE_MAX: i64 = 100;
/// Ids that the items of one bulk request associate together (ours): each may come back in a failure.
pub const BULK_ASSOCIATIONS_MAX: usize = 10_000;
/// Groups in groups through which permissions are followed (ours).
pub const GROUP_DEPTH_MAX: usize = 64;
/// Things on one page of a list (ours).
pub const LIST_PAGE_MAX: i64 = 100;
/// Comparisons of detail fields in one list (ours).
pub const LIST_DETAIL_FILTERS_MAX: usize = 20;
/// Rows that one page of a list looks at, and that a count counts (ours): so a page is quick, whatever is
/// asked for.
pub const LIST_ROWS_MAX: usize = 10_000;
/// Objects in one setObjects (vendor).
pub const OBJECTS_MAX: usize = 100;
/// Tags (`properties`) of an object (vendor).
pub const TAGS_MAX: usize = 5;
/// Characters in the key or the value of a tag (ours).
pub const TAG_CHARS_MAX: usize = 255;
/// Bytes of an object in its canonical form (ours).
pub const OBJECT_BYTES_MAX: usize = 256 * 1024;
/// Bytes in the body of a request that brings objects (ours).
pub const OBJECTS_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Characters in the id of an object (ours).
pub const OBJECT_ID_CHARS_MAX: usize = 1_024;
/// Characters in the display name of an object (ours).
pub const OBJECT_NAME_CHARS_MAX: usize = 1_024;
/// Characters in the description of an object (ours).
pub const OBJECT_DESCRIPTION_CHARS_MAX: usize = 32_768;
/// Characters in a URL of an object (ours).
pub const OBJECT_URL_CHARS_MAX: usize = 4_096;
/// Characters in the short texts of an object, such as `industry` (vendor).
pub const OBJECT_TEXT_CHARS_MAX: usize = 255;
/// Characters in `customAndSensitiveData` (ours).
pub const SENSITIVE_CHARS_MAX: usize = 65_536;
/// People in one list of an object: owners, contacts, contributors (ours).
pub const OBJECT_PEOPLE_MAX: usize = 500;
/// Principals in all access controls of an object together (vendor).
pub const PRINCIPALS_MAX: usize = 500;
/// Values in all associations of an object together (vendor, of its sibling API).
pub const ASSOCIATION_VALUES_MAX: usize = 500;
/// Errors that are listed for one object (ours): a body of nothing but errors must not become an
/// answer many times its size.
pub const OBJECT_PROBLEMS_MAX: usize = 1_000;
/// Containers above an object through which permissions are followed (ours).
pub const CONTAINER_DEPTH_MAX: usize = 32;
/// Members of all groups in one request (ours): what is written in one transaction must not hold others up.
pub const GROUP_MEMBERS_MAX: usize = 10_000;
/// Email addresses of one user of a connector (ours).
pub const USER_EMAILS_MAX: usize = 100;
/// Connections of a tenant (ours): reads as an end user ask each.
pub const CONNECTIONS_MAX: usize = 100;
/// Objects on one page of those that a user may see (ours).
pub const VISIBLE_PAGE_MAX: i64 = 100;
/// Objects that are looked at for one such page (ours): with few that may be seen it ends early.
pub const VISIBLE_LOOKS_MAX: usize = 2_000;
/// Levels below an object in one answer about its tree (ours).
pub const TREE_DEPTH_MAX: i64 = 32;
/// Objects in each list of one such answer (ours).
pub const TREE_OBJECTS_MAX: i64 = 1_000;
/// What a connector may do in a minute, in the order of `connector::Counted` (vendor): limited only where a
/// setting says so.
pub const RATES_OF_VENDOR: [i64; 12] = [
    1_500, 50_000, 1_500, 500, 1_500, 5_000, 10_000, 1_000, 5_000, 1_000, 1_000, 1_000,
];
/// The greatest limit for a minute that a setting may name (ours).
pub const RATE_MAX: i64 = 1_000_000_000;
/// Days that a tombstone is kept (ours): an older write that is late must not bring the object back.
pub const TOMBSTONE_DAYS: i64 = 30;
