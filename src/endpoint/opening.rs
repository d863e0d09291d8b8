//! The ways to make an [`Endpoint`].

use super::{Config, Endpoint, Incoming, Outgoing};
use crate::assembler::Assembler;
use crate::connection::Connection;
#[cfg(feature = "deflate")]
use crate::deflate::{Deflater, Params};
#[cfg(feature = "deflate")]
use crate::frame::Rsv;
use crate::handshake::Negotiated;

impl Endpoint {
    /// The server's end of a connection whose 101 has been sent, on the terms of that: for instance
    /// over a stream that another HTTP library has upgraded.
    ///
    /// ```
    /// use websocket_proto::endpoint::{Config, Endpoint};
    /// use websocket_proto::handshake::{Accept, Request, ReplyError};
    ///
    /// # fn f(request: &Request, config: &Config) -> Result<(), ReplyError> {
    /// let (fields, negotiated) = Accept::new().fields(request)?;
    /// // Answer 101 with those fields, and over the stream behind it:
    /// let endpoint = Endpoint::server(config, &negotiated);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn server(config: &Config, negotiated: &Negotiated) -> Self {
        Self::on_terms(Connection::server(&config.connection), config, negotiated)
    }

    /// The client's end of a connection whose 101 has come, on the terms of that, with masking keys
    /// of [`random_keys`](crate::random_keys).
    #[cfg(feature = "getrandom")]
    #[must_use]
    pub fn client(config: &Config, negotiated: &Negotiated) -> Self {
        let connection = Connection::client(&config.connection, crate::random_keys);
        Self::on_terms(connection, config, negotiated)
    }

    fn on_terms(connection: Connection, config: &Config, negotiated: &Negotiated) -> Self {
        #[cfg(feature = "deflate")]
        return Self::with_deflate(connection, config, negotiated.deflate());
        #[cfg(not(feature = "deflate"))]
        {
            let _ = negotiated;
            Self::new(connection, config)
        }
    }

    /// An endpoint around a connection that has had its handshake.
    #[must_use]
    pub fn new(connection: Connection, config: &Config) -> Self {
        Self {
            incoming: Incoming::new(config.read_buffer, Assembler::new()),
            outgoing: Outgoing::new(connection, config),
        }
    }

    /// As [`new`](Self::new), with what the handshake has agreed on for permessage-deflate
    /// (RFC 7692), if it has.
    ///
    /// `params` are in [`Negotiated::deflate`](crate::handshake::Negotiated::deflate); how to
    /// compress is in [`Config::deflate`]. The connection then takes RSV1, whatever its
    /// configuration said.
    ///
    /// ```
    /// use websocket_proto::endpoint::{Config, Endpoint};
    /// use websocket_proto::{Connection, deflate};
    ///
    /// # fn f(negotiated: websocket_proto::handshake::Negotiated) {
    /// let mut config = Config::default();
    /// config.deflate = Some(deflate::Config::default());
    /// let connection = Connection::server(&config.connection);
    /// let endpoint = Endpoint::with_deflate(connection, &config, negotiated.deflate());
    /// # }
    /// ```
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(
        mut connection: Connection,
        config: &Config,
        params: impl Into<Option<Params>>,
    ) -> Self {
        let Some(params) = params.into() else { return Self::new(connection, config) };
        let role = connection.role();
        connection.allow_rsv(Rsv::RSV1);
        let deflate = config.deflate.clone().unwrap_or_default();
        let assembler = Assembler::with_deflate(role, params, &deflate, &config.connection);
        let mut outgoing = Outgoing::new(connection, config);
        outgoing.deflate_with(Deflater::new(role, &deflate, params));
        Self { incoming: Incoming::new(config.read_buffer, assembler), outgoing }
    }
}
