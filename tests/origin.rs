//! Which web pages may connect (RFC 6455 §10.2, defences 9 and B9).

use websocket_proto::handshake::{OriginError, OriginList, OriginPolicy, Scheme};

// R4.2.1-8
#[test]
fn absent_origin_passes_every_policy() {
    let list = OriginPolicy::list([]).expect("valid");
    for policy in [OriginPolicy::Any, OriginPolicy::SameOrigin(Scheme::Https), list] {
        assert!(policy.allows(None, Some("a")));
    }
}

#[test]
fn any_is_the_default_and_passes_everything() {
    assert_eq!(OriginPolicy::default(), OriginPolicy::Any);
    assert!(OriginPolicy::Any.allows(Some("garbage"), None));
}

#[test]
fn same_origin_compares_scheme_host_and_effective_port() {
    use Scheme::{Http, Https};
    for (scheme, origin, host, allowed) in [
        (Https, "https://a", "a", true),
        (Https, "https://a", "a:443", true),
        (Https, "https://a:443", "a", true),
        (Https, "HTTPS://A.Example", "a.eXample", true),
        (Http, "http://a:80", "a", true),
        (Http, "http://a:8080", "a:8080", true),
        (Http, "http://[::1]:8080", "[0:0::1]:8080", true),
        (Https, "http://a", "a", false),
        (Http, "https://a", "a", false),
        (Https, "https://a", "a:8443", false),
        (Https, "https://a:80", "a", false),
        (Http, "http://a:443", "a:443", true),
        (Https, "https://a.evil.example", "a", false),
        (Https, "https://evil-a", "a", false),
        (Https, "https://a.", "a", false),
        (Https, "https://a@evil", "evil", false),
        (Https, "https://evil/a", "evil", false),
        (Https, "https://a:", "a", false),
        (Https, "https://a https://evil", "a", false),
        (Https, "null", "a", false),
        (Https, "", "a", false),
        (Https, "a", "a", false),
        (Https, "https://", "", false),
        (Http, "ws://a", "a", false),
    ] {
        let policy = OriginPolicy::SameOrigin(scheme);
        assert_eq!(policy.allows(Some(origin), Some(host)), allowed, "{origin} {host}");
    }
    assert!(!OriginPolicy::SameOrigin(Https).allows(Some("https://a"), None));
}

#[test]
fn list_compares_scheme_host_and_effective_port() {
    let entries = ["https://a.example", "http://localhost:8080", "chrome-extension://abcdef"];
    let policy = OriginPolicy::list(entries).expect("valid");
    for (origin, allowed) in [
        ("https://a.example", true),
        ("https://A.example:443", true),
        ("http://localhost:8080", true),
        ("chrome-extension://abcdef", true),
        ("http://a.example", false),
        ("https://a.example:8443", false),
        ("https://a.example.evil", false),
        ("https://a.example/", false),
        ("http://localhost", false),
        ("chrome-extension://abcdeg", false),
        ("null", false),
        ("", false),
    ] {
        assert_eq!(policy.allows(Some(origin), Some("a.example")), allowed, "{origin}");
    }
}

#[test]
fn null_passes_only_if_listed() {
    assert!(OriginPolicy::list(["null"]).expect("valid").allows(Some("null"), None));
    assert!(!OriginPolicy::list(["null"]).expect("valid").allows(Some("Null"), None));
}

// What Electron and web views send of a page from a file
#[test]
fn file_passes_only_if_listed() {
    let policy = OriginPolicy::list(["file://"]).expect("valid");
    assert!(policy.allows(Some("file://"), Some("a")));
    for origin in ["null", "file:///", "file://a", "file:", "File://", "http://a", ""] {
        assert!(!policy.allows(Some(origin), Some("a")), "{origin}");
    }
    let others = OriginPolicy::list(["null", "file://a", "http://a"]).expect("valid");
    for policy in [others, OriginPolicy::SameOrigin(Scheme::Http)] {
        for host in [None, Some(""), Some("a"), Some("file")] {
            assert!(!policy.allows(Some("file://"), host), "{policy:?} {host:?}");
        }
    }
}

#[test]
fn entries_are_checked_at_construction() {
    for entry in [
        "",
        "a",
        "https://a/",
        "https://a/b",
        "https://",
        "file:///",
        "file://:1",
        "*",
        "https://u@a",
        "://a",
        "https://a:",
        "https://a:65536",
        "1a://b",
        "https://a b",
        "https://*.a/",
        "https://b\u{fc}",
    ] {
        assert_eq!(OriginList::new([entry]), Err(OriginError), "{entry}");
    }
}
