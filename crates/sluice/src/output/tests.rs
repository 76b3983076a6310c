use super::*;

#[derive(Serialize)]
#[serde(transparent)]
struct Fruits(Vec<Fruit>);

#[derive(Serialize)]
struct Fruit {
    name: &'static str,
    count: Option<u32>,
}

impl Report for Fruits {
    fn text(&self) -> String {
        let mut table = table(&["NAME", "COUNT"]);
        for fruit in &self.0 {
            table.add_row([fruit.name.to_owned(), fruit.count.map_or_else(|| "-".into(), |n| n.to_string())]);
        }
        table_text(&table)
    }
}

fn fruits() -> Fruits {
    Fruits(vec![Fruit { name: "yes", count: Some(2) }, Fruit { name: "a: b", count: None }])
}

#[test]
fn one_report_has_four_formats() {
    insta::assert_snapshot!(render(&fruits(), Format::Table).unwrap(), @"
    NAME  COUNT
    yes   2
    a: b  -
    ");
    insta::assert_snapshot!(render(&fruits(), Format::Json).unwrap(), @r#"
    [
      {
        "name": "yes",
        "count": 2
      },
      {
        "name": "a: b",
        "count": null
      }
    ]
    "#);
    insta::assert_snapshot!(render(&fruits(), Format::Jsonl).unwrap(), @r#"
    {"name":"yes","count":2}
    {"name":"a: b","count":null}
    "#);
    insta::assert_snapshot!(render(&fruits(), Format::Yaml).unwrap(), @r#"
    - name: "yes"
      count: 2
    - name: "a: b"
      count: null
    "#);
}

#[test]
fn what_a_stranger_wrote_steers_no_terminal_and_breaks_no_line_of_a_table() {
    let mut table = table(&["BY"]);
    table.add_row(["me\n::error::x\u{1b}]0;t\u{7}\u{202e}"]);
    assert_eq!(table_text(&table), "BY\nme\\n::error::x\\u{1b}]0;t\\u{7}\\u{202e}");
    let text = "\u{1b}[1;31merror\u{1b}[0m: a\u{1b}[2Jb\u{202e}\r\nnext";
    assert_eq!(shown(text), "\u{1b}[1;31merror\u{1b}[0m: a\\u{1b}[2Jb\\u{202e}\\r\nnext");
    assert_eq!(shown("\u{1b}"), "\\u{1b}");
}

#[test]
fn the_format_of_errors_is_that_of_the_answer() {
    let asked = |line: &str| asked_for(line.split(' ').map(OsString::from));
    for line in ["run ls -o json", "run ls -ojson", "run ls --output json", "-o=json run", "run --output=json -x"] {
        assert_eq!(asked(line), Format::Json, "{line}");
    }
    assert_eq!(asked("run ls -o json -o yaml"), Format::Yaml);
    for line in ["run ls", "run ls -o", "run ls -- -o json", "schema check -o junit", "-output json"] {
        assert_eq!(asked(line), Format::Table, "{line}");
    }
}

#[test]
fn json_is_exact() {
    let fruits = Fruits(vec![Fruit { name: "a\n\u{202e}\u{1b}", count: None }]);
    let json: Value = serde_json::from_str(&render(&fruits, Format::Json).unwrap()).unwrap();
    assert_eq!(json[0]["name"], "a\n\u{202e}\u{1b}");
}
