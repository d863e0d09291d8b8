//! WebSocket URIs (RFC 6455 §3).

use proptest::prelude::*;
use websocket_proto::handshake::{Url, UrlError as E};

fn parse(text: &str) -> Url {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

// R3-2, R4.1-23
#[test]
fn default_ports_are_80_and_443_and_stay_out_of_host() {
    for (text, port, authority) in [
        ("ws://h/", 80, "h"),
        ("wss://h/", 443, "h"),
        ("ws://h:80/", 80, "h"),
        ("ws://h:/", 80, "h"),
        ("ws://h:0080/", 80, "h"),
        ("wss://h:443", 443, "h"),
        ("ws://h:443", 443, "h:443"),
        ("wss://h:80", 80, "h:80"),
        ("ws://h:65535", 65535, "h:65535"),
        ("ws://EXAMPLE.com:81", 81, "example.com:81"),
        ("ws://127.0.0.1:81", 81, "127.0.0.1:81"),
    ] {
        let url = parse(text);
        assert_eq!((url.port(), url.authority()), (port, authority), "{text}");
    }
}

// R4.1-23: an IPv6 literal keeps its brackets
#[test]
fn ipv6_addresses_have_brackets_in_host_only() {
    let url = parse("ws://[2001:DB8::0:1]:8080/");
    assert_eq!((url.host(), url.authority()), ("2001:db8::1", "[2001:db8::1]:8080"));
    assert_eq!(parse("wss://[::1]").authority(), "[::1]");
    for text in [
        "ws://[::1",
        "ws://[::1]a",
        "ws://[::g]",
        "ws://[]",
        "ws://[fe80::1%25eth0]",
        "ws://::1/",
        "ws://[v1.a]",
        "ws://[1.2.3.4]",
    ] {
        assert!(Url::parse(text).is_err(), "{text}");
    }
}

// R3-3, W-OH-1, W-CT-2
#[test]
fn scheme_sets_the_secure_flag() {
    for (text, secure) in [
        ("ws://h", false),
        ("wss://h", true),
        ("WSS://h", true),
        ("Ws://h", false),
        ("http://h", false),
        ("HTTPS://h", true),
    ] {
        assert_eq!(parse(text).is_secure(), secure, "{text}");
    }
    for text in ["ftp://h", "wsx://h", "//h", "h", "", "ws:h", "ws:/h", "/ws://h", "w\u{17f}s://h"]
    {
        assert_eq!(Url::parse(text), Err(E::UnsupportedScheme), "{text}");
    }
}

// R3-4, R3-6
#[test]
fn resource_name_is_path_and_query() {
    for (text, name) in [
        ("ws://h", "/"),
        ("ws://h/", "/"),
        ("ws://h?a=1", "/?a=1"),
        ("ws://h?", "/"),
        ("ws://h/p?", "/p"),
        ("ws://h/p??", "/p??"),
        ("ws://h/p?q?r", "/p?q?r"),
        ("ws://h//a/../b/.", "//a/../b/."),
        ("ws://h/%23%2f", "/%23%2f"),
        ("ws://h/?u=http://x@y:1/", "/?u=http://x@y:1/"),
    ] {
        assert_eq!(parse(text).resource_name(), name, "{text}");
    }
}

// R11.1.1-2, R11.1.2-2
#[test]
fn characters_no_uri_has_are_percent_encoded() {
    let url = parse("ws://h/a b\u{e9}\u{20ac}\"<>\\^`{|}[]?a b&c[]=\u{e9}");
    assert_eq!(
        url.resource_name(),
        "/a%20b%C3%A9%E2%82%AC%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D?a%20b&c%5B%5D=%C3%A9"
    );
}

// R3-1, R3-5, R4.1-3, R4.1-4, R11.1.1-1, W-CT-1, W-CT-3, N-18
#[test]
fn invalid_urls_are_refused_with_the_reason() {
    for (text, error) in [
        ("ws://h/p#f", E::Fragment),
        ("ws://h/#", E::Fragment),
        ("ws://h#", E::Fragment),
        ("ws://u:p@h/", E::UserInfo),
        ("ws://u@h/", E::UserInfo),
        ("ws://@h/", E::UserInfo),
        ("ws://", E::EmptyHost),
        ("ws:///p", E::EmptyHost),
        ("ws://:80/", E::EmptyHost),
        ("ws://h:65536/", E::InvalidPort),
        ("ws://h:+80/", E::InvalidPort),
        ("ws://h:-1/", E::InvalidPort),
        ("ws://h:8a/", E::InvalidPort),
        ("ws://h: 80/", E::InvalidPort),
        ("ws://h:99999999999999999999/", E::InvalidPort),
        ("ws://b\u{fc}cher.example/", E::NonAsciiHost),
        ("ws://a b/", E::InvalidHost),
        ("ws://a\\b/", E::InvalidHost),
        ("ws://%41/", E::InvalidHost),
        ("ws://a<b/", E::InvalidHost),
        (" ws://h/", E::UnsupportedScheme),
        ("ws://h/\r\nX: y", E::ControlCharacter),
        ("ws://h/\n", E::ControlCharacter),
        ("ws://h/\0", E::ControlCharacter),
        ("ws://h\t/", E::ControlCharacter),
        ("ws://h/\x7f", E::ControlCharacter),
        ("ws://h/%", E::InvalidPercentEncoding),
        ("ws://h/%2", E::InvalidPercentEncoding),
        ("ws://h/%zz", E::InvalidPercentEncoding),
    ] {
        assert_eq!(Url::parse(text), Err(error), "{text:?}");
    }
}

// R4.1-12
#[test]
fn display_is_the_uri_again() {
    assert_eq!(parse("HTTPS://A:443?b=c d").to_string(), "wss://a/?b=c%20d");
    assert_eq!(parse("ws://[::1]:81").to_string(), "ws://[::1]:81/");
}

// RFC 3986 §5.4, where the base has a WebSocket scheme and references have no fragments
#[test]
fn references_are_resolved_as_in_the_rfc() {
    let base = parse("ws://a/b/c/d;p?q");
    for (reference, target) in [
        ("ws://g", "ws://g/"), // "g:h" has a scheme that is none of ours
        ("g", "ws://a/b/c/g"),
        ("./g", "ws://a/b/c/g"),
        ("g/", "ws://a/b/c/g/"),
        ("/g", "ws://a/g"),
        ("//g", "ws://g/"),
        ("?y", "ws://a/b/c/d;p?y"),
        ("g?y", "ws://a/b/c/g?y"),
        (";x", "ws://a/b/c/;x"),
        ("g;x", "ws://a/b/c/g;x"),
        ("", "ws://a/b/c/d;p?q"),
        (".", "ws://a/b/c/"),
        ("./", "ws://a/b/c/"),
        ("..", "ws://a/b/"),
        ("../", "ws://a/b/"),
        ("../g", "ws://a/b/g"),
        ("../..", "ws://a/"),
        ("../../", "ws://a/"),
        ("../../g", "ws://a/g"),
        // §5.4.2
        ("../../../g", "ws://a/g"),
        ("../../../../g", "ws://a/g"),
        ("/./g", "ws://a/g"),
        ("/../g", "ws://a/g"),
        ("g.", "ws://a/b/c/g."),
        (".g", "ws://a/b/c/.g"),
        ("g..", "ws://a/b/c/g.."),
        ("..g", "ws://a/b/c/..g"),
        ("./../g", "ws://a/b/g"),
        ("./g/.", "ws://a/b/c/g/"),
        ("g/./h", "ws://a/b/c/g/h"),
        ("g/../h", "ws://a/b/c/h"),
        ("g;x=1/./y", "ws://a/b/c/g;x=1/y"),
        ("g;x=1/../y", "ws://a/b/c/y"),
        ("g?y/./x", "ws://a/b/c/g?y/./x"),
        ("g?y/../x", "ws://a/b/c/g?y/../x"),
        // Beyond the RFC
        ("?", "ws://a/b/c/d;p"),
        ("./a:b", "ws://a/b/c/a:b"),
        ("g/a:b?c://d", "ws://a/b/c/g/a:b?c://d"),
        ("g//../h", "ws://a/b/c/g/h"),
        ("/.//g", "ws://a//g"),
        ("a b\u{e9}", "ws://a/b/c/a%20b%C3%A9"),
        ("/\\g", "ws://a/%5Cg"),
        ("%2e%2E/g", "ws://a/b/c/%2e%2E/g"),
        ("https://g:443/x/../y?z", "wss://g/y?z"),
        ("HTTP://G:81", "ws://g:81/"),
        ("//[::1]:82/..", "ws://[::1]:82/"),
        ("//g?y", "ws://g/?y"),
    ] {
        assert_eq!(base.join(reference), Ok(parse(target)), "{reference}");
    }
    let base = parse("wss://[::1]:8080");
    for (reference, target) in [
        ("g", "wss://[::1]:8080/g"),
        ("?y", "wss://[::1]:8080/?y"),
        ("//h:443/", "wss://h/"),
        ("//h:80", "wss://h:80/"),
    ] {
        assert_eq!(base.join(reference), Ok(parse(target)), "{reference}");
    }
}

#[test]
fn references_to_no_usable_url_are_refused() {
    let base = parse("ws://a/b/c/d;p?q");
    for (reference, error) in [
        ("g:h", E::UnsupportedScheme),
        ("http:g", E::UnsupportedScheme), // RFC 3986 §5.4.2, strict
        ("ws:", E::UnsupportedScheme),
        (":g", E::UnsupportedScheme),
        ("ftp://g/", E::UnsupportedScheme),
        ("g#s", E::Fragment),
        ("#s", E::Fragment),
        ("//", E::EmptyHost),
        ("//u@g/", E::UserInfo),
        ("//g:x/", E::InvalidPort),
        ("g\r\nX: y", E::ControlCharacter),
        ("g%", E::InvalidPercentEncoding),
    ] {
        assert_eq!(base.join(reference), Err(error), "{reference}");
    }
}

proptest! {
    #[test]
    fn joined_urls_stay_where_they_are_and_have_no_dot_segments(
        base in "/[a-c/.]{0,12}(\\?[a-c/.]{0,4})?",
        reference in "[a-c./?%]{0,12}|\\PC{0,12}",
    ) {
        let base = parse(&format!("ws://h:81{base}"));
        if let Ok(url) = base.join(&reference) {
            if !reference.starts_with("//") && !reference.contains(':') {
                prop_assert_eq!(url.authority(), base.authority());
            }
            if !reference.is_empty() && !reference.starts_with('?') {
                let path = url.resource_name().split('?').next().expect("one at least");
                prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."));
            }
            prop_assert_eq!(url.join(""), Ok(url.clone()));
            prop_assert_eq!(Url::parse(&url.to_string()), Ok(url));
        }
    }

    #[test]
    fn parsing_is_idempotent_and_gives_a_valid_target(
        text in "(ws|wss|http)://(\\PC{0,8}|[a-z]{1,5}|\\[::1\\])(:[0-9]{0,5})?(/\\PC{0,12})?",
    ) {
        if let Ok(url) = Url::parse(&text) {
            prop_assert!(url.resource_name().starts_with('/'));
            prop_assert!(url.resource_name().bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(Url::parse(&url.to_string()), Ok(url));
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = Url::parse(&text);
        let _ = Url::parse(&format!("ws://{text}"));
    }
}
