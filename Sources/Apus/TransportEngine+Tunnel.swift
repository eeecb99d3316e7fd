import ApusTransport

// Bytes without HTTP, through the layers of any connection.
extension TransportEngine {
    /// Opens a raw duplex to a host and port, straight or through proxies.
    ///
    /// Names, the race of addresses, proxies and budgets are as for any connection; nothing of HTTP
    /// or TLS is spoken behind them.
    ///
    /// It counts as a connection of its route until it ends: against limits, in snapshots, and for
    /// `shutdown`, which cuts it when the drain is over. It is never pooled.
    ///
    /// - Parameters:
    ///   - target: `host:port`, with brackets around IPv6.
    ///   - proxy: the way; rules are asked as for an https origin. A proxy that fails never falls
    ///     back to direct.
    ///   - options: `connectTo`, `isolation` and the timeouts up to the opening count;
    ///     the rest says nothing here.
    /// - Throws: `TransportError`; before anything is dialled when target or way are at fault.
    public func dialTunnel(
        to target: String, via proxy: ProxySetting = .direct, options: RequestOptions = .init()
    ) async throws(TransportError) -> Duplex {
        let outgoing: OutgoingRequest
        do throws(InvalidRequest) {
            outgoing = try OutgoingRequest(
                tunnelTo: target, via: proxy, options: options, tuning: engine.tuning,
                routes: engine.routes)
        } catch {
            throw TransportError(error)
        }
        guard let duplex = Response(try await engine.execute(outgoing)).duplex else {
            throw TransportError(.malformed, phase: .connect, message: "the tunnel is no duplex")
        }
        return duplex
    }
}
