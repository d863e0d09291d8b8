//! Negotiation of permessage-deflate (RFC 7692 §5, §7.1), in the handshake and over header values.

mod handshake_common;

use handshake_common::{NONCE, answer, request_but, response_but, serve, text};
use proptest::prelude::*;
use websocket_proto::connection::Role;
use websocket_proto::deflate::{self, Config, NegotiationError as N, Offer, Params};
use websocket_proto::handshake::{
    Accept, ClientHandshake, ClientRequest, HandshakeError as E, Negotiated, Reply, ReplyError,
    parse_extensions,
};

const FIELD: &str = "Sec-WebSocket-Extensions";
const PLAIN: &str = "permessage-deflate";

/// Server takeover, client takeover, server bits, client bits: what is not plain is given.
fn config(parts: &[&str]) -> Config {
    let mut config = Config::default();
    for part in parts {
        match part.split_once('=') {
            None if *part == "server" => config.server_no_context_takeover = true,
            None => config.client_no_context_takeover = true,
            Some(("server", bits)) => config.server_max_window_bits = bits.parse().expect("a u8"),
            Some((_, bits)) => config.client_max_window_bits = bits.parse().expect("a u8"),
        }
    }
    config
}

/// An element with parameters: `element("client_max_window_bits")`.
fn element(params: &str) -> String {
    if params.is_empty() { PLAIN.into() } else { format!("{PLAIN}; {params}") }
}

/// What a server answers to a request with these Sec-WebSocket-Extensions lines.
fn answer_to(lines: &[&str], config: &Config) -> Option<String> {
    let lines: String = lines.iter().map(|value| format!("{FIELD}: {value}\r\n")).collect();
    let mut served = serve(request_but(&[("E", &lines)]));
    let request = served.result.expect("no error").expect("complete");
    let params = request.deflate(config);
    let mut out = Vec::new();
    let reply = Accept::new().deflate(params);
    let negotiated = served.machine.accept(&request, &reply, &mut out).expect("valid terms");
    assert_eq!(negotiated.deflate(), params);
    let line = text(&out).lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    assert_eq!(line.map(str::to_owned), params.map(|params| params.to_string()));
    line.map(str::to_owned)
}

fn client(configs: &[Config]) -> ClientRequest {
    let request = ClientRequest::new("ws://server.example.com/chat").expect("valid");
    configs.iter().fold(request, ClientRequest::deflate)
}

/// The Sec-WebSocket-Extensions line of a request, and the request.
fn offered(request: &ClientRequest) -> (Option<String>, Vec<u8>) {
    let mut out = Vec::new();
    let _ = ClientHandshake::start(request, NONCE, &mut out);
    let prefix = "Sec-WebSocket-Extensions: ";
    let mut lines = text(&out).lines().filter_map(|line| line.strip_prefix(prefix));
    let line = lines.next().map(str::to_owned);
    assert_eq!(lines.next(), None, "one line");
    (line, out)
}

/// What a client with these offers makes of a response with these lines.
fn judge(configs: &[Config], lines: &[&str]) -> Result<Option<Params>, E> {
    let lines: String = lines.iter().map(|value| format!("{FIELD}: {value}\r\n")).collect();
    let answered = answer(&client(configs), response_but(&[("E", &lines)]));
    answered.result.map(|response| {
        let response = response.expect("complete");
        let seen = response.negotiated().and_then(Negotiated::deflate);
        assert_eq!(response.into_negotiated().ok().and_then(|terms| terms.deflate()), seen);
        seen
    })
}

fn default() -> Config {
    Config::default()
}

// V-N1, D5-1, D5-6, D5-17, D4-2
#[test]
fn plain_offer_gets_the_plain_response() {
    assert_eq!(answer_to(&[PLAIN], &default()).as_deref(), Some(PLAIN));
    let params = judge(&[default()], &[PLAIN]).expect("valid").expect("compressed");
    for role in [Role::Server, Role::Client] {
        assert!(!params.no_context_takeover(role));
        assert_eq!(params.max_window_bits(role), 15);
    }
}

// V-N2, V-N3, V-N4, D5-2, D5-3, D3-2
#[test]
fn server_takes_the_first_acceptable_element() {
    let first = "permessage-deflate; client_max_window_bits; server_max_window_bits=10";
    let both = format!("{first}, permessage-deflate; client_max_window_bits");
    let answer = "permessage-deflate; server_max_window_bits=10";
    assert_eq!(answer_to(&[first], &default()).as_deref(), Some(answer));
    assert_eq!(answer_to(&[&both], &default()).as_deref(), Some(answer));
    let plain_first = format!("{PLAIN}, {first}");
    assert_eq!(answer_to(&[&plain_first], &default()).as_deref(), Some(PLAIN));
}

// D5-2, R9.1-3, H-4
#[test]
fn offers_over_several_lines_are_one_list() {
    let lines = [
        "permessage-foo, permessage-deflate; foo",
        "",
        "permessage-deflate; server_max_window_bits=9",
    ];
    let answer = answer_to(&lines, &default());
    assert_eq!(answer.as_deref(), Some("permessage-deflate; server_max_window_bits=9"));
    let lines = ["permessage-deflate", "permessage-deflate; server_max_window_bits=9"];
    assert_eq!(answer_to(&lines, &default()).as_deref(), Some(PLAIN));
}

// V-N6, V-N7, D5.2-1
#[test]
fn other_extensions_are_passed_over() {
    for line in ["permessage-foo, permessage-bar", "permessage-foo; use_y, permessage-foo"] {
        assert_eq!(answer_to(&[line], &default()), None);
        let line = format!("{line}, {PLAIN}");
        assert_eq!(answer_to(&[&line], &default()).as_deref(), Some(PLAIN));
    }
    for line in ["Permessage-Deflate", "permessage-deflate2", "x-webkit-deflate-frame"] {
        assert_eq!(answer_to(&[line], &default()), None, "{line}");
    }
    let (token, quoted) = (&b"permessage-foo; x=10"[..], &b"permessage-foo; x=\"10\""[..]);
    assert_eq!(parse_extensions([token]), parse_extensions([quoted]));
}

// D5.2-1
#[test]
fn values_may_be_quoted() {
    let config = config(&["client=12"]);
    let line = r#"permessage-deflate; client_max_window_bits="11"; server_max_window_bits="1\0""#;
    let answer = "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11";
    assert_eq!(answer_to(&[line], &config).as_deref(), Some(answer));
    let line = r#"permessage-deflate; server_max_window_bits="9""#;
    let params = judge(&[config], &[line]).expect("valid").expect("compressed");
    assert_eq!(params.max_window_bits(Role::Server), 9);
}

/// Parameters that no element may have, and what is wrong with them.
const FAULTY: &[(&str, N)] = &[
    ("foo", N::UnknownParameter),
    ("foo=1", N::UnknownParameter),
    ("Server_max_window_bits=10", N::UnknownParameter),
    ("server_max_window_bits=10; foo", N::UnknownParameter),
    ("server_no_context_takeover=1", N::InvalidParameter("server_no_context_takeover")),
    ("server_no_context_takeover=true", N::InvalidParameter("server_no_context_takeover")),
    ("client_no_context_takeover=\"1\"", N::InvalidParameter("client_no_context_takeover")),
    ("server_max_window_bits", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=0", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=1", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=7", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=16", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=18", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=20", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=08", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=010", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=+9", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=-9", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=0x9", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=9.0", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=9a", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=100", N::InvalidParameter("server_max_window_bits")),
    ("server_max_window_bits=264", N::InvalidParameter("server_max_window_bits")), // 8 + 2^8
    ("server_max_window_bits=4294967306", N::InvalidParameter("server_max_window_bits")),
    ("client_max_window_bits=7", N::InvalidParameter("client_max_window_bits")),
    ("client_max_window_bits=16", N::InvalidParameter("client_max_window_bits")),
    ("client_max_window_bits=09", N::InvalidParameter("client_max_window_bits")),
    ("client_max_window_bits=on", N::InvalidParameter("client_max_window_bits")),
    (
        "server_no_context_takeover; server_no_context_takeover",
        N::RepeatedParameter("server_no_context_takeover"),
    ),
    (
        "client_no_context_takeover; client_no_context_takeover",
        N::RepeatedParameter("client_no_context_takeover"),
    ),
    (
        "server_max_window_bits=10; server_max_window_bits=10",
        N::RepeatedParameter("server_max_window_bits"),
    ),
    (
        "client_max_window_bits=10; client_max_window_bits=11",
        N::RepeatedParameter("client_max_window_bits"),
    ),
];

// D7-1, D7-2, D7-3, D7.1.1.1-1, D7.1.1.2-1, D7.1.2.1-2, D7.1.2.2-2, D5-14, table 3.1; defence J2
#[test]
fn faulty_element_declines_itself_only() {
    for (params, error) in FAULTY {
        let line = element(params);
        assert_eq!(answer_to(&[&line], &default()), None, "{line}");
        assert_eq!(line.parse::<Offer>(), Err(*error), "{line}");
        let next = format!("{line}, permessage-deflate; server_max_window_bits=10");
        let answer = answer_to(&[&next], &default());
        assert_eq!(answer.as_deref(), Some("permessage-deflate; server_max_window_bits=10"));
    }
    let twice = element("client_max_window_bits; client_max_window_bits");
    assert_eq!(twice.parse::<Offer>(), Err(N::RepeatedParameter("client_max_window_bits")));
}

// D7-5, D7-6, D7-7, D7.1.1.1-5, D7.1.1.2-2, D7.1.2.1-7, D7.1.2.2-6, table 3.2
#[test]
fn client_fails_on_a_faulty_element() {
    for (params, error) in FAULTY {
        let line = element(params);
        assert_eq!(judge(&[default()], &[&line]), Err(E::Deflate(*error)), "{line}");
        assert_eq!(line.parse::<Params>(), Err(*error), "{line}");
    }
    // Fine in an offer, but not in a response.
    let line = element("client_max_window_bits");
    let error = E::Deflate(N::InvalidParameter("client_max_window_bits"));
    assert_eq!(judge(&[default()], &[&line]), Err(error));
}

// R9.1-1, D7.1.2.1-2: what is no token is a fault of the whole field
#[test]
fn values_that_are_no_tokens_are_bad_syntax() {
    for value in ["", "\"\"", "\"9 \"", "\" 9\"", "9 9", "\"9", "9\"", "\u{b9}"] {
        let line = element(&format!("server_max_window_bits={value}"));
        let lines = format!("{FIELD}: {line}, permessage-deflate\r\n");
        let error = E::InvalidField(FIELD);
        assert_eq!(serve(request_but(&[("E", &lines)])).error(), error, "{line}");
        assert_eq!(error.status(), 400);
        assert_eq!(judge(&[default()], &[&line]), Err(error), "{line}");
        assert_eq!(line.parse::<Offer>(), Err(N::Malformed), "{line}");
    }
    for line in ["", ",", "permessage-deflate;", "permessage-deflate, permessage-deflate"] {
        assert_eq!(line.parse::<Offer>(), Err(N::Malformed), "{line}");
        assert_eq!(line.parse::<Params>(), Err(N::Malformed), "{line}");
    }
    assert_eq!("permessage-foo".parse::<Offer>(), Err(N::UnexpectedExtension));
    assert_eq!("permessage-foo".parse::<Params>(), Err(N::UnexpectedExtension));
}

// Table 3.1, D5-7, D5-8, D7.1.1.1-4, D7.1.1.1-6, D7.1.1.1-7, D7.1.1.2-2..4, D7.1.2.1-6, D7.1.2.1-8,
// D7.1.2.2-4, D7.1.2.2-5, D7.1.2.2-7
#[test]
fn server_answers_by_offer_and_configuration() {
    let rows: &[(&str, &[&str], &str)] = &[
        // Nothing offered: the server may add anything but client_max_window_bits.
        ("", &[], ""),
        ("", &["server"], "server_no_context_takeover"),
        ("", &["client"], "client_no_context_takeover"),
        ("", &["server=12"], "server_max_window_bits=12"),
        ("", &["client=12"], ""),
        (
            "",
            &["server", "client", "server=8", "client=8"],
            "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8",
        ),
        // Demands are met, and hints taken up.
        ("server_no_context_takeover", &[], "server_no_context_takeover"),
        ("server_no_context_takeover", &["server"], "server_no_context_takeover"),
        ("client_no_context_takeover", &[], "client_no_context_takeover"),
        ("client_no_context_takeover", &["client"], "client_no_context_takeover"),
        // The smaller of both, said aloud if either said it.
        ("server_max_window_bits=15", &[], "server_max_window_bits=15"),
        ("server_max_window_bits=8", &[], "server_max_window_bits=8"),
        ("server_max_window_bits=10", &["server=12"], "server_max_window_bits=10"),
        ("server_max_window_bits=12", &["server=10"], "server_max_window_bits=10"),
        ("server_max_window_bits=15", &["server=10"], "server_max_window_bits=10"),
        // The client's window is limited only if it may be.
        ("client_max_window_bits", &[], ""),
        ("client_max_window_bits", &["client=10"], "client_max_window_bits=10"),
        ("client_max_window_bits=15", &[], ""),
        ("client_max_window_bits=15", &["client=10"], "client_max_window_bits=10"),
        ("client_max_window_bits=12", &[], "client_max_window_bits=12"),
        ("client_max_window_bits=12", &["client=10"], "client_max_window_bits=10"),
        ("client_max_window_bits=10", &["client=12"], "client_max_window_bits=10"),
        ("client_max_window_bits=8", &["client=8"], "client_max_window_bits=8"),
        // Values outside are taken for the nearest inside.
        (
            "client_max_window_bits",
            &["server=0", "client=7"],
            "server_max_window_bits=8; client_max_window_bits=8",
        ),
        ("client_max_window_bits", &["server=16", "client=255"], ""),
        // The order of parameters does not matter.
        (
            "client_max_window_bits; server_max_window_bits=9; \
             client_no_context_takeover; server_no_context_takeover",
            &["client=14"],
            "server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=9; client_max_window_bits=14",
        ),
    ];
    for (offer, parts, expected) in rows {
        let answer = answer_to(&[&element(offer)], &config(parts));
        assert_eq!(answer, Some(element(expected)), "{offer:?} {parts:?}");
    }
}

// D5-14, D5-15
#[test]
fn server_that_does_not_compress_answers_nothing() {
    let lines = format!("{FIELD}: {PLAIN}\r\n");
    for reply in [Accept::new(), Accept::new().deflate(None)] {
        let mut served = serve(request_but(&[("E", &lines)]));
        let request = served.result.expect("no error").expect("complete");
        let mut out = Vec::new();
        let negotiated = served.machine.accept(&request, &reply, &mut out).expect("valid terms");
        assert_eq!(negotiated.deflate(), None);
        assert!(!text(&out).contains(FIELD));
    }
    assert_eq!(serve(request_but(&[])).message().deflate(&default()), None);
}

// D5-7, D7.1.1.1-4, D7.1.2.1-6, D7.1.2.2-5, D7.1.2.2-7
#[test]
fn terms_must_accept_an_offer() {
    let rows: &[(&str, &str, bool)] = &[
        ("permessage-foo", "", false),
        ("permessage-deflate; foo", "", false),
        ("permessage-deflate", "", true),
        ("permessage-deflate", "client_max_window_bits=15", false),
        ("permessage-deflate", "server_max_window_bits=9; client_no_context_takeover", true),
        ("permessage-deflate; server_no_context_takeover", "", false),
        ("permessage-deflate; server_no_context_takeover", "server_no_context_takeover", true),
        ("permessage-deflate; client_no_context_takeover", "", true),
        ("permessage-deflate; server_max_window_bits=15", "", false),
        ("permessage-deflate; server_max_window_bits=9", "server_max_window_bits=10", false),
        ("permessage-deflate; server_max_window_bits=9", "server_max_window_bits=8", true),
        ("permessage-deflate; client_max_window_bits", "client_max_window_bits=15", true),
        ("permessage-deflate; client_max_window_bits=9", "client_max_window_bits=10", false),
        ("permessage-deflate; client_max_window_bits=9", "client_max_window_bits=8", true),
        ("permessage-deflate; client_max_window_bits=9", "", true),
        ("permessage-deflate; server_max_window_bits=9, permessage-deflate", "", true),
    ];
    for (offer, terms, valid) in rows {
        let lines = format!("{FIELD}: {offer}\r\n");
        let mut served = serve(request_but(&[("E", &lines)]));
        let request = served.result.expect("no error").expect("complete");
        let params: Params = element(terms).parse().expect("valid");
        let mut out = Vec::new();
        let answer = served.machine.accept(&request, &Accept::new().deflate(params), &mut out);
        if *valid {
            assert_eq!(answer.map(|it| it.deflate()), Ok(Some(params)), "{offer} {terms}");
        } else {
            assert_eq!(answer, Err(ReplyError::DeflateNotOffered), "{offer} {terms}");
            assert!(out.is_empty());
            // Another answer can still be given.
            assert_eq!(served.machine.reject(&Reply::new(500), &mut out), Ok(()));
        }
    }
}

// D5-1, D5-4, D5-5, D7.1.1.1-1..3, D7.1.1.2-1, D7.1.2.1-1, D7.1.2.1-5, D7.1.2.2-1..3
#[test]
fn client_offers_what_its_configuration_says() {
    let rows: &[(&[&str], &str)] = &[
        (&[], "client_max_window_bits"),
        (&["server"], "server_no_context_takeover; client_max_window_bits"),
        (&["client"], "client_no_context_takeover; client_max_window_bits"),
        (&["server=8"], "server_max_window_bits=8; client_max_window_bits"),
        (&["client=14"], "client_max_window_bits=14"),
        (
            &["server", "client", "server=10", "client=9"],
            "server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=10; client_max_window_bits=9",
        ),
        (&["server=0", "client=0"], "server_max_window_bits=8; client_max_window_bits=8"),
        (&["server=16", "client=255"], "client_max_window_bits"),
    ];
    for (parts, expected) in rows {
        let (line, _) = offered(&client(&[config(parts)]));
        assert_eq!(line, Some(element(expected)), "{parts:?}");
        let offer = Offer::new(&config(parts));
        assert_eq!(offer.to_string().parse(), Ok(offer));
    }
    assert_eq!(offered(&client(&[])).0, None);
}

// V-N3, D5-2
#[test]
fn client_offers_fallbacks_in_order() {
    let (line, _) = offered(&client(&[config(&["server=10"]), default()]));
    let expected = "permessage-deflate; server_max_window_bits=10; client_max_window_bits, \
                    permessage-deflate; client_max_window_bits";
    assert_eq!(line.as_deref(), Some(expected));
}

// D5-15
#[test]
fn response_without_the_extension_means_no_compression() {
    assert_eq!(judge(&[default()], &[]), Ok(None));
    assert_eq!(judge(&[], &[]), Ok(None));
}

// V-N4, V-N5, table 3.2, D5-9, D7.1.1.1-7, D7.1.1.2-5, D7.1.2.1-8, D7.1.2.2-8, D7-9, N-13
#[test]
fn client_configures_itself_by_the_response_alone() {
    // Server takeover, client takeover, server bits, client bits.
    type Agreed = (bool, bool, u8, u8);
    let rows: &[(&[&str], &str, Agreed)] = &[
        (&[], "", (false, false, 15, 15)),
        (&[], "server_no_context_takeover", (true, false, 15, 15)),
        (&[], "client_no_context_takeover", (false, true, 15, 15)),
        (&[], "server_max_window_bits=8", (false, false, 8, 15)),
        (&[], "server_max_window_bits=15", (false, false, 15, 15)),
        (&[], "client_max_window_bits=8", (false, false, 15, 8)),
        (&[], "client_max_window_bits=15", (false, false, 15, 15)),
        // Hints may be passed over, also with a larger value.
        (&["client", "client=9"], "", (false, false, 15, 15)),
        (&["client=9"], "client_max_window_bits=8", (false, false, 15, 8)),
        (&["client=9"], "client_max_window_bits=9", (false, false, 15, 9)),
        (&["client=9"], "client_max_window_bits=12", (false, false, 15, 12)),
        // Demands may be exceeded.
        (&["server"], "server_no_context_takeover; server_max_window_bits=9", (true, false, 9, 15)),
        (&["server=10"], "server_max_window_bits=10", (false, false, 10, 15)),
        (&["server=10"], "server_max_window_bits=8", (false, false, 8, 15)),
        (
            &["server", "client", "server=10", "client=10"],
            "client_max_window_bits=10; server_max_window_bits=10; \
             client_no_context_takeover; server_no_context_takeover",
            (true, true, 10, 10),
        ),
    ];
    for (parts, response, expected) in rows {
        let params = judge(&[config(parts)], &[&element(response)]);
        let params = params.expect("valid").expect("compressed");
        let seen = (
            params.no_context_takeover(Role::Server),
            params.no_context_takeover(Role::Client),
            params.max_window_bits(Role::Server),
            params.max_window_bits(Role::Client),
        );
        assert_eq!(seen, *expected, "{parts:?} {response:?}");
    }
}

// Table 3.2, D5-11, D5-13, D5-16, D7-8, D7.1.1.1-4, D7.1.2.1-6, D7.1.2.2-7, D5-10
#[test]
fn client_fails_on_a_response_that_satisfies_no_offer() {
    let unsatisfied = E::Deflate(N::UnsatisfiedOffer);
    let twice = E::Deflate(N::RepeatedExtension);
    let window = "permessage-deflate; server_max_window_bits=10";
    let takeover = "permessage-deflate; server_no_context_takeover";
    let (server, ten): (&[&str], &[&str]) = (&["server"], &["server=10"]);
    let both: &[&str] = &["server", "server=10"];
    // What is offered, the lines of the response, and the verdict.
    type Row<'a> = (&'a [&'a [&'a str]], &'a [&'a str], Result<(), E>);
    let rows: &[Row<'_>] = &[
        (&[], &[PLAIN], Err(E::ExtensionNotOffered)),
        (&[], &["permessage-deflate; foo"], Err(E::ExtensionNotOffered)),
        (&[&[]], &["permessage-foo"], Err(E::ExtensionNotOffered)),
        (&[&[]], &["permessage-deflate, permessage-foo"], Err(E::ExtensionNotOffered)),
        (&[&[]], &["Permessage-deflate"], Err(E::ExtensionNotOffered)),
        (&[&[]], &["permessage-deflate, permessage-deflate"], Err(twice)),
        (&[&[]], &["permessage-deflate", "permessage-deflate"], Err(twice)),
        (&[server], &[PLAIN], Err(unsatisfied)),
        (&[server], &[window], Err(unsatisfied)),
        (&[server], &[takeover], Ok(())),
        (&[ten], &[PLAIN], Err(unsatisfied)),
        (&[ten], &["permessage-deflate; server_max_window_bits=11"], Err(unsatisfied)),
        (&[ten], &["permessage-deflate; server_max_window_bits=15"], Err(unsatisfied)),
        (&[ten], &[window], Ok(())),
        // One offer has to be satisfied as a whole, whichever.
        (&[ten, &[]], &[PLAIN], Ok(())),
        (&[ten, server], &[PLAIN], Err(unsatisfied)),
        (&[ten, server], &[takeover], Ok(())),
        (&[server, ten], &[window], Ok(())),
        (&[both, &[]], &[takeover], Ok(())),
        (&[both], &[takeover], Err(unsatisfied)),
        (&[both], &[window], Err(unsatisfied)),
    ];
    for (offers, response, expected) in rows {
        let offers: Vec<_> = offers.iter().map(|parts| config(parts)).collect();
        let seen = judge(&offers, response).map(|params| assert!(params.is_some()));
        assert_eq!(seen, *expected, "{response:?}");
        if let Err(error) = seen {
            assert_eq!(error.status(), 502);
        }
    }
}

// D7.1.2.2-7: this crate's client always offers the parameter, but a caller's may not
#[test]
fn client_window_is_not_limited_unless_that_was_offered() {
    let offer: Offer = PLAIN.parse().expect("valid");
    let line = b"permessage-deflate; client_max_window_bits=15";
    let response = parse_extensions([&line[..]]).expect("valid");
    assert_eq!(deflate::agree(&[offer], &response), Err(N::UnsatisfiedOffer));
    let other = Offer::new(&default());
    assert!(deflate::agree(&[offer, other], &response).is_ok_and(|params| params.is_some()));
}

// D5-16: extensions of the caller's own are its own to judge
#[test]
fn caller_with_other_extensions_takes_them_out() {
    let line = b"permessage-deflate, x-other; a=1";
    let response = parse_extensions([&line[..]]).expect("valid");
    let offers = [Offer::new(&default())];
    assert_eq!(deflate::agree(&offers, &response), Err(N::UnexpectedExtension));
    let ours = response.iter().filter(|element| element.name() != "x-other");
    assert_eq!(deflate::agree(&offers, ours), Ok(PLAIN.parse().ok()));
}

#[test]
fn errors_say_what_and_where() {
    for (error, message) in [
        (N::Malformed, "not one extension (RFC 6455 §9.1)"),
        (N::UnexpectedExtension, "extension was not offered (RFC 6455 §4.1)"),
        (N::RepeatedExtension, "permessage-deflate accepted twice (RFC 7692 §5)"),
        (N::UnknownParameter, "unknown parameter of permessage-deflate (RFC 7692 §7)"),
        (N::RepeatedParameter("x"), "repeated x (RFC 7692 §7)"),
        (N::InvalidParameter("x"), "invalid value of x (RFC 7692 §7.1)"),
        (N::UnsatisfiedOffer, "response satisfies no offer (RFC 7692 §5)"),
    ] {
        assert_eq!(error.to_string(), message);
        // One name for one fact, and the same message by either.
        assert_eq!(E::from(error).to_string(), message);
    }
    assert_eq!(E::from(N::UnexpectedExtension), E::ExtensionNotOffered);
    assert_eq!(ReplyError::DeflateNotOffered.status(), 500);
}

/// Every configuration that negotiation tells from the others.
fn every_config() -> Vec<Config> {
    let mut configs = Vec::new();
    for flags in [&[][..], &["server"], &["client"], &["server", "client"]] {
        for server in 8..=15 {
            for client in 8..=15 {
                let mut config = config(flags);
                config.server_max_window_bits = server;
                config.client_max_window_bits = client;
                configs.push(config);
            }
        }
    }
    configs
}

// D7-4, D7-8, defences 45, J3 and J4: 65,536 pairs, by way of the text
#[test]
fn our_client_accepts_whatever_our_server_answers() {
    let configs = every_config();
    let texts: Vec<_> = configs.iter().map(|it| Offer::new(it).to_string()).collect();
    for (ours, text) in configs.iter().zip(&texts) {
        let line = parse_extensions([text.as_bytes()]).expect("valid");
        for theirs in &configs {
            let params = deflate::answer(&line, theirs).expect("acceptable");
            let text = params.to_string();
            let response = parse_extensions([text.as_bytes()]).expect("valid");
            let agreed = deflate::agree(&[Offer::new(ours)], &response);
            assert_eq!(agreed, Ok(Some(params)), "{ours:?} {theirs:?}");

            let either = |of: fn(&Config) -> bool| of(ours) || of(theirs);
            let least = |of: fn(&Config) -> u8| of(ours).min(of(theirs));
            let server = either(|it| it.server_no_context_takeover);
            let client = either(|it| it.client_no_context_takeover);
            assert_eq!(params.no_context_takeover(Role::Server), server);
            assert_eq!(params.no_context_takeover(Role::Client), client);
            let server = least(|it| it.server_max_window_bits);
            let client = least(|it| it.client_max_window_bits);
            assert_eq!(params.max_window_bits(Role::Server), server);
            assert_eq!(params.max_window_bits(Role::Client), client);
        }
    }
}

#[test]
fn every_response_is_written_as_it_is_read() {
    for server in ["", "; server_no_context_takeover"] {
        for client in ["", "; client_no_context_takeover"] {
            for server_bits in 7..=15 {
                for client_bits in 7..=15 {
                    let bits = |name, bits: u8| match bits {
                        7 => String::new(),
                        bits => format!("; {name}_max_window_bits={bits}"),
                    };
                    let window = bits("server", server_bits) + &bits("client", client_bits);
                    let text = format!("{PLAIN}{server}{client}{window}");
                    let params: Params = text.parse().expect("valid");
                    assert_eq!(params.to_string(), text);
                    assert_eq!(text.parse::<Offer>().map(|it| it.to_string()), Ok(text));
                }
            }
        }
    }
}

fn any_config() -> impl Strategy<Value = Config> {
    any::<(bool, bool, u8, u8)>().prop_map(|(server, client, server_bits, client_bits)| {
        let mut config = Config::default();
        config.server_no_context_takeover = server;
        config.client_no_context_takeover = client;
        config.server_max_window_bits = server_bits % 20;
        config.client_max_window_bits = client_bits % 20;
        config
    })
}

/// What may stand in an element, right and wrong.
const PARTS: [&str; 16] = [
    "permessage-deflate",
    "permessage-deflate",
    "permessage-foo",
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
    "=8",
    "=15",
    "=\"10\"",
    "=7",
    ";",
    ";",
    ";",
    ",",
    ",",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // R12-1, D5-17: the whole handshake, with fallbacks
    #[test]
    fn both_sides_agree_on_the_same(
        offers in prop::collection::vec(any_config(), 0..4),
        server in any_config(),
    ) {
        let request = client(&offers);
        let mut served = serve(offered(&request).1);
        let asked = served.result.expect("no error").expect("complete");
        let reply = Accept::new().deflate(asked.deflate(&server));
        let mut out = Vec::new();
        let negotiated = served.machine.accept(&asked, &reply, &mut out).expect("valid terms");
        prop_assert_eq!(negotiated.deflate().is_some(), !offers.is_empty());
        let answered = answer(&request, &out);
        prop_assert_eq!(answered.message().negotiated(), Some(&negotiated));
    }
}

proptest! {
    // D7-1..4: whatever is offered, the answer is one to some offer, and any Accept takes it
    #[test]
    fn answers_accept_an_offer(
        parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..24),
        config in any_config(),
    ) {
        let line = parts.concat();
        let Ok(elements) = parse_extensions([line.as_bytes()]) else { return Ok(()) };
        let texts = line.split(',').filter(|text| !text.is_empty());
        let offers: Vec<Offer> = texts.filter_map(|text| text.parse().ok()).collect();
        let answer = deflate::answer(&elements, &config);
        prop_assert_eq!(answer.is_some(), !offers.is_empty());
        if let Some(params) = answer {
            let text = params.to_string();
            let response = parse_extensions([text.as_bytes()]).expect("valid");
            prop_assert_eq!(deflate::agree(&offers[..1], &response), Ok(Some(params)));
            prop_assert_eq!(answer_to(&[&line], &config), Some(text));
        }
    }
}
