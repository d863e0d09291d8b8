//! Tests of the field grammar.

use alloc::vec::Vec;

use super::*;

fn values(line: &[u8]) -> Option<Vec<(String, Option<String>)>> {
    let extensions = parse_extensions([line]).ok()?;
    let params = extensions.iter().flat_map(Extension::params);
    Some(params.map(|(name, value)| (name.into(), value.map(String::from))).collect())
}

// H-2
#[test]
fn token_bytes_are_those_of_the_rfc() {
    let expected = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for byte in 0..=u8::MAX {
        assert_eq!(is_token_byte(byte), expected.contains(&byte), "{byte:#x}");
    }
}

// H-1, H-4
#[test]
fn empty_elements_are_left_out() {
    let elements: Vec<_> = list_elements(b", a,\t,b ,").collect();
    assert_eq!(elements, [b"a", b"b"]);
    assert_eq!(list_elements(b" , ,").count(), 0);
}

// H-3
#[test]
fn commas_in_quoted_strings_do_not_separate() {
    let elements: Vec<_> = list_elements(br#"a="\",b\\", c"#).collect();
    assert_eq!(elements, [&br#"a="\",b\\""#[..], b"c"]);
}

// R2.1-1, H-5
#[test]
fn elements_compare_in_ascii_case_only() {
    assert!(any_element([&b"h2c, WebSocket"[..]].into_iter(), "websocket"));
    for other in ["web\u{17f}ocket", "WebSoc\u{212a}et", "websockets", "upgrade websocket"] {
        assert!(!any_element([other.as_bytes()].into_iter(), "websocket"), "{other}");
    }
}

// R4.3-3, R9.1-2, H-3, V-N6
#[test]
fn quoted_values_are_unescaped_to_tokens() {
    for line in [&b"a;x=10"[..], b"a;x=\"10\"", b"a;x=\"1\\0\"", b"a ; x = \"\\1\\0\""] {
        assert_eq!(values(line), Some([("x".into(), Some("10".into()))].into()), "{line:?}");
    }
}

// R4.3-2, R4.3-3, R9.1-1
#[test]
fn violations_of_the_extension_grammar_are_refused() {
    let lines: [&[u8]; 19] = [
        b"",
        b",",
        b" , ,",
        b"a;",
        b"a;;b",
        b";a",
        b"a b",
        b"a;x=",
        b"a;x=\"\"",
        b"a;x=\"a b\"",
        b"a;x=\"b",
        b"a;x=\"b\\",
        b"a;x=\"b\"c",
        b"a=1",
        b"a;=1",
        b"a;x==1",
        b"a;x=\"\\\"\"",
        b"a;x=(",
        b"a;x=\xc3\xa9",
    ];
    for line in lines {
        assert_eq!(parse_extensions([line]), Err(ExtensionSyntaxError), "{line:?}");
    }
}

// V-EXT-1, R9.1-3
#[test]
fn several_lines_equal_one() {
    let apart = parse_extensions([&b"foo"[..], b"bar; baz=2"]);
    assert_eq!(apart, parse_extensions([&b"foo, bar; baz=2"[..]]));
    assert_eq!(apart.map(|list| list.len()), Ok(2));
    // An empty line is an empty element as long as another line has one that is not.
    assert_eq!(parse_extensions([&b""[..], b"foo"]).map(|list| list.len()), Ok(1));
    assert_eq!(parse_extensions([]).map(|list| list.len()), Ok(0));
}

// V-EXT-2
#[test]
fn examples_of_the_rfc_are_accepted() {
    for (line, names) in [
        (&b"deflate-stream"[..], &["deflate-stream"][..]),
        (b"mux; max-channels=4; flow-control, deflate-stream", &["mux", "deflate-stream"]),
        (b"private-extension", &["private-extension"]),
    ] {
        let parsed = parse_extensions([line]).expect("the RFC prints it");
        assert_eq!(parsed.iter().map(Extension::name).collect::<Vec<_>>(), names);
    }
}

// Defences A6-A8: seeds that took other parsers quadratic or exponential time. Here every helper
// takes its rest by slicing forwards, so these are long but ordinary; no clock is needed.
#[test]
fn hostile_lists_are_ordinary() {
    let mut spaces = b"b".to_vec();
    spaces.extend([b' '; 32_000]);
    spaces.push(b'x');
    assert_eq!(list_elements(&spaces).count(), 1);
    assert_eq!(tokens([&spaces[..]].into_iter()), None);
    assert_eq!(list_elements(&[b','; 64_000]).count(), 0);
    let mut unclosed = b"a; b=\"".to_vec();
    unclosed.extend(b"\\c".repeat(32_000));
    assert_eq!(parse_extensions([&unclosed[..]]), Err(ExtensionSyntaxError));
}

// Defence B8
#[test]
fn fields_of_the_caller_cannot_inject() {
    let check = |name, value| check_field(name, value, &["Upgrade"]);
    assert_eq!(check("X", ""), Ok(()));
    assert_eq!(check("X", "a\tb \u{e9}"), Ok(()));
    assert_eq!(check("uPGRADE", "x"), Err(HeaderError::Reserved));
    for name in ["", "a b", "a:", "a\r\n", "\u{e9}"] {
        assert_eq!(check(name, "x"), Err(HeaderError::InvalidName), "{name:?}");
    }
    for value in ["a\r\nB: c", "a\nb", "a\rb", "\0", "\x7f", " a", "a\t"] {
        assert_eq!(check("X", value), Err(HeaderError::InvalidValue), "{value:?}");
    }
}

// Defence B7
#[test]
fn numbers_are_digits_only() {
    assert_eq!(parse_digits(b"0010"), Some(10));
    assert_eq!(parse_digits(b"18446744073709551615"), Some(u64::MAX));
    for text in [&b""[..], b"+1", b"-0", b" 1", b"1_0", b"0x1", b"18446744073709551616"] {
        assert_eq!(parse_digits(text), None, "{text:?}");
    }
}
