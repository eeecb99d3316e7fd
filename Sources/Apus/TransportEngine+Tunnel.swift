import ApusConnection
import ApusEngine

// Raw bytes through the layers of a connection.
extension TransportEngine {
    /// Opens a raw duplex to a host and port, directly or through proxies.
    ///
    /// Name resolution, the race of addresses, proxies and timeouts are those of any connection;
    /// neither HTTP nor TLS is used with the target.
    ///
    /// It counts as a connection of its route until it ends: toward limits, in snapshots, and for
    /// `shutdown`, which cuts it after the drain. It is never pooled.
    ///
    /// - Parameters:
    ///   - target: `host:port`, with brackets around IPv6.
    ///   - proxy: the proxies to use, none by default; rules apply as for an https origin. When a
    ///     proxy fails, the target is never dialled directly instead.
    ///   - options: `connectTo`, `isolation` and the timeouts until the opening apply; the others
    ///     are ignored.
    /// - Throws: `TransportError`, before anything is dialled when the target or the proxies are
    ///   invalid.
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
            throw TransportError(.malformed, phase: .connect, message: "the tunnel has no duplex")
        }
        return duplex
    }
}
