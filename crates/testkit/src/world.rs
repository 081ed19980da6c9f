//! A world of organizations that look real, for tests and benchmarks: names in many scripts, sizes as skewed as
//! those of companies, ten detail fields, groups with subsidiaries. Any part of it can be made without the rest,
//! and the same seed gives the same world.

/// A detail field that organizations of the world have.
#[derive(Clone, Copy, Debug)]
pub struct WorldField {
    /// Its name.
    pub name: &'static str,
    /// Its type, as the API writes it.
    pub type_name: &'static str,
    /// What can be chosen, for SELECT and MULTISELECT.
    pub options: &'static [&'static str],
}

/// An organization of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldOrganization {
    /// Its name, which no other organization of the world has.
    pub name: String,
    /// The organization that it is a subsidiary of: one with a smaller number.
    pub parent: Option<u64>,
    /// How many people work there: most have few, some have thousands.
    pub employees: u64,
    /// A value of each field of [`FIELDS`], in their order.
    pub details: Vec<(&'static str, Vec<String>)>,
}

/// A customer of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldCustomer {
    /// Its address, which no other customer has.
    pub email: String,
    /// Its name.
    pub display_name: String,
}

/// The ten fields: one of each type that a server without directories can hold, and TEXT twice.
pub const FIELDS: [WorldField; 10] = [
    field("Region", "SELECT", &REGIONS),
    field("Tier", "SELECT", &TIERS),
    field("Languages", "MULTISELECT", &LANGUAGES),
    field("Employees", "NUMBER", &[]),
    field("Premium Support", "BOOLEAN", &[]),
    field("Renewal Date", "DATE", &[]),
    field("Billing Email", "EMAIL", &[]),
    field("Phone Number", "PHONE", &[]),
    field("Website", "URL", &[]),
    field("Notes", "TEXT", &[]),
];

const REGIONS: [&str; 8] = [
    "Africa",
    "Antarctica",
    "Asia",
    "Europe",
    "Middle East",
    "North America",
    "Oceania",
    "South America",
];
const TIERS: [&str; 4] = ["Free", "Standard", "Premium", "Enterprise"];
const LANGUAGES: [&str; 10] = [
    "Arabic",
    "Chinese",
    "English",
    "French",
    "German",
    "Hindi",
    "Japanese",
    "Portuguese",
    "Russian",
    "Spanish",
];

const fn field(name: &'static str, type_name: &'static str, options: &'static [&'static str]) -> WorldField {
    WorldField {
        name,
        type_name,
        options,
    }
}

/// Words that names are made of, script by script: what it is called, what it does, what it is.
type Script = ([&'static str; 6], [&'static str; 4], [&'static str; 2]);

const SCRIPTS: [Script; 12] = [
    (
        ["Acme", "Northwind", "Globex", "Initech", "Blue Harbor", "Cedar"],
        ["Logistics", "Foods", "Systems", "Insurance"],
        ["Ltd", "Inc."],
    ),
    (
        [
            "Müller",
            "Grünwald",
            "Weißenfels",
            "Österreicher",
            "Süd",
            "Königsberg",
        ],
        ["Maschinenbau", "Spedition", "Bäckereien", "Straßenbau"],
        ["GmbH", "AG"],
    ),
    (
        [
            "Société Générique",
            "Château",
            "L’Étoile",
            "Françoise",
            "Dupont",
            "Bézier",
        ],
        ["Énergie", "Transports", "Pâtisserie", "Conseil"],
        ["SARL", "S.A."],
    ),
    (
        ["Łódź", "Žižkov", "Győr", "Čapek", "Şahin", "Øresund"],
        ["Usługi", "Stavby", "Kereskedelem", "Ticaret"],
        ["a.s.", "A.Ş."],
    ),
    (
        ["Ρόδος", "Αθηνά", "Ολυμπία", "Θεσσαλία", "Κρήτη", "Δελφοί"],
        ["Ναυτιλιακή", "Εμπορική", "Τροφίμων", "Ασφαλίσεις"],
        ["Α.Ε.", "Ε.Π.Ε."],
    ),
    (
        ["Север", "Восток", "Заря", "Київ", "Дунав", "Байкал"],
        ["Логистика", "Торговля", "Будівництво", "Связь"],
        ["ООО", "АО"],
    ),
    (
        ["النيل", "الخليج", "الأندلس", "دجلة", "الصحراء", "بيروت"],
        ["للتجارة", "للنقل", "للأغذية", "للتأمين"],
        ["ش.م.م", "ش.م.ل"],
    ),
    (
        ["הגליל", "כרמל", "ירדן", "הנגב", "שרון", "חרמון"],
        ["מסחר", "תעשיות", "ביטוח", "מזון"],
        ["בע״מ", "ושות׳"],
    ),
    (
        ["गंगा", "हिमालय", "भारत", "कावेरी", "राजस्थान", "मालवा"],
        ["व्यापार", "परिवहन", "खाद्य", "बीमा"],
        ["प्रा. लि.", "लिमिटेड"],
    ),
    (
        ["東京", "さくら", "富士", "みどり", "ヤマト", "北海道"],
        ["商事", "物流", "食品", "システム"],
        ["株式会社", "有限会社"],
    ),
    (
        ["长江", "泰山", "东方", "金龙", "華南", "明珠"],
        ["贸易", "物流", "食品", "保险"],
        ["有限公司", "集团"],
    ),
    (
        ["한강", "서울", "백두", "제주", "동해", "ไทย"],
        ["무역", "물류", "식품", "ขนส่ง"],
        ["주식회사", "จำกัด"],
    ),
];

const CITIES: [&str; 12] = [
    "Berlin",
    "São Paulo",
    "Lagos",
    "東京",
    "Kraków",
    "Montréal",
    "القاهرة",
    "मुंबई",
    "Sydney",
    "Αθήνα",
    "上海",
    "Київ",
];

/// A world.
#[derive(Clone, Copy, Debug)]
pub struct World {
    seed: u64,
}

impl World {
    /// The world of this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The organization of this number, from 0.
    pub fn organization(&self, number: u64) -> WorldOrganization {
        let mut chance = self.chance(1, number);
        // One in four belongs to another; the first ones have most subsidiaries, as groups grow by growing.
        let parent = (number > 0 && chance.below(4) == 0)
            .then(|| (chance.below(number) * chance.below(number)) / number);
        let name = match parent {
            Some(parent) => {
                let city = chance.of(&CITIES);
                format!("{} – {city} {number}", self.root_name(parent))
            }
            None => self.root_name(number),
        };
        let employees = chance.pareto(5_000_000);
        let details = self.details(&mut chance, number, employees);
        WorldOrganization {
            name,
            parent,
            employees,
            details,
        }
    }

    /// The customer of this number, from 0.
    pub fn customer(&self, number: u64) -> WorldCustomer {
        const FIRST: [&str; 8] = ["Ada", "Jürgen", "Мария", "花子", "Fatima", "José", "Ngọc", "Olga"];
        const LAST: [&str; 8] = [
            "Lovelace",
            "Groß",
            "Иванова",
            "山田",
            "al-Fihri",
            "Núñez",
            "Trần",
            "Nowak",
        ];
        let mut chance = self.chance(2, number);
        WorldCustomer {
            email: format!("person{number}@{}.example.com", Self::host(chance.below(500))),
            display_name: format!("{} {}", chance.of(&FIRST), chance.of(&LAST)),
        }
    }

    /// The name of the product of this number, from 0.
    pub fn product(&self, number: u64) -> String {
        const WORDS: [&str; 6] = ["Desk", "Portal", "Insights", "Billing", "Monitor", "Vault"];
        format!("{} {number}", self.chance(3, number).of(&WORDS))
    }

    /// The name of an organization if it were nobody's subsidiary.
    fn root_name(&self, number: u64) -> String {
        let mut chance = self.chance(4, number);
        let (first, second, form) = chance.of(&SCRIPTS);
        let (first, second, form) = (chance.of(first), chance.of(second), chance.of(form));
        format!("{first} {second} {number} {form}")
    }

    fn details(&self, chance: &mut Chance, number: u64, employees: u64) -> Vec<(&'static str, Vec<String>)> {
        let tier = match employees {
            0..=9 => chance.below(2),
            10..=99 => 1 + chance.below(2),
            _ => 2 + chance.below(2),
        };
        let tier = TIERS[usize::try_from(tier).unwrap_or(0)];
        let (host, first) = (Self::host(number), chance.below(10));
        // In the order of the options, each once.
        let spoken = 1 + chance.below(3);
        let languages = (0..spoken).map(|next| LANGUAGES[usize::try_from((first + next) % 10).unwrap_or(0)]);
        let date = format!(
            "{}-{:02}-{:02}",
            2_026 + chance.below(4),
            1 + chance.below(12),
            1 + chance.below(28)
        );
        let note = format!(
            "Customer since {}; {} open contracts, {}. Asks for {} on the phone, and for number {}.",
            1_990 + chance.below(36),
            chance.below(40),
            chance.of(&[
                "pays on time",
                "pays late",
                "to be called back",
                "großzügig",
                "大切なお客様"
            ]),
            self.customer(chance.below(1_000_000)).display_name,
            chance.below(1_000_000_000),
        );
        let values = [
            vec![(*chance.of(&REGIONS)).to_owned()],
            vec![tier.to_owned()],
            languages.map(str::to_owned).collect(),
            vec![employees.to_string()],
            vec![(chance.below(5) == 0).to_string()],
            vec![date],
            vec![format!("billing@{host}.example.com")],
            vec![format!(
                "+{}{:09}",
                1 + chance.below(98),
                chance.below(1_000_000_000)
            )],
            vec![format!("https://www.{host}.example.com/")],
            vec![note],
        ];
        FIELDS.iter().map(|field| field.name).zip(values).collect()
    }

    fn host(number: u64) -> String {
        format!("company-{number}")
    }

    fn chance(&self, stream: u64, number: u64) -> Chance {
        let mut chance = Chance(self.seed ^ (stream << 56) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        chance.next();
        chance
    }
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to one less than `end`, which is not 0.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let index = self.below(u64::try_from(list.len()).unwrap_or(1));
        &list[usize::try_from(index).unwrap_or(0)]
    }

    /// A whole number from 1 on, of which a tenth of all is more than a tenfold, a hundredth more than a hundredfold.
    fn pareto(&mut self, max: u64) -> u64 {
        let unit = self.next() >> 11;
        // Of 53 bits, so that nothing is divided by zero.
        ((1 << 53) / (unit + 1)).clamp(1, max)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use guildhall_domain::field::NewDefinition;
    use guildhall_domain::{Definition, FieldId, PhoneFormat, text};

    use super::*;

    fn definitions() -> Vec<Definition> {
        let define = |field: &WorldField| {
            let options: Vec<String> = field.options.iter().map(|option| (*option).to_owned()).collect();
            let new = NewDefinition::check(field.name, field.type_name, Some(&options)).unwrap();
            Definition {
                id: FieldId(1),
                name: new.name,
                key: new.key,
                field_type: new.field_type,
                options: new.options,
                position: 1,
            }
        };
        FIELDS.iter().map(define).collect()
    }

    #[test]
    fn every_value_is_one_that_the_rules_take_and_names_differ() {
        let (world, definitions) = (World::new(7), definitions());
        let mut keys = HashSet::new();
        for number in 0..5_000 {
            let organization = world.organization(number);
            assert!(keys.insert(text::key(&organization.name)), "{organization:?}");
            assert_eq!(text::name(&organization.name, 200), Ok(organization.name.clone()));
            assert!(organization.parent.is_none_or(|parent| parent < number));
            for (definition, (name, values)) in definitions.iter().zip(&organization.details) {
                assert_eq!(definition.name, *name);
                let checked = definition.check(values, PhoneFormat::E164).unwrap();
                assert_eq!(*checked, **values, "{name}");
            }
        }
    }

    #[test]
    fn the_same_seed_is_the_same_world_and_another_is_not() {
        let (one, same, other) = (World::new(1), World::new(1), World::new(2));
        assert_eq!(one.organization(41), same.organization(41));
        assert_eq!(one.customer(41), same.customer(41));
        assert_ne!(one.organization(41), other.organization(41));
    }

    #[test]
    fn it_looks_like_the_one_outside() {
        let all: Vec<_> = (0..10_000)
            .map(|number| World::new(3).organization(number))
            .collect();
        let children = all
            .iter()
            .filter(|organization| organization.parent.is_some())
            .count();
        assert!((2_000..3_000).contains(&children), "{children} subsidiaries");
        let mut sizes: Vec<u64> = all.iter().map(|organization| organization.employees).collect();
        sizes.sort_unstable();
        assert!(sizes[5_000] < 5 && sizes[9_990] > 500, "{:?}", &sizes[9_980..]);
        for letters in [
            'a'..='z',
            'а'..='я',
            'α'..='ω',
            'א'..='ת',
            '一'..='龥',
            '가'..='힣',
            'ग'..='ह',
        ] {
            let share = all
                .iter()
                .filter(|o| o.name.chars().any(|c| letters.contains(&c)))
                .count();
            assert!(share > 300, "{letters:?}: {share}");
        }
    }
}
