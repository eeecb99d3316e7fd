import ApusConnection
package import ApusEngine

/// The engine: connections, their pool and their threads.
///
/// Nothing is global: engines in one process never affect each other. Make one engine and share it;
/// clients over it are cheap enough to make one per request.
public final class TransportEngine: HTTPTransport {
    package let engine: Engine

    /// Makes an engine and starts its threads.
    ///
    /// - Parameters:
    ///   - tuning: its settings; `.default` by default.
    ///   - group: threads shared with other engines; with a group `tuning.eventLoops` and
    ///     `tuning.wakeInterval` are ignored.
    ///     By default the engine has its own threads.
    ///   - resolver: resolves host names; `nil`, the default, uses the system's resolver on
    ///     separate threads.
    ///   - observer: receives the engine's events; none by default.
    /// - Throws: `InvalidTuning` naming the field at fault, also for a file of roots or of an
    ///   identity that is missing or unusable (`tls`); `TransportError` when the system has no
    ///   descriptor or thread left.
    public init(
        _ tuning: EngineTuning = .default, group: LoopGroup? = nil,
        resolver: (any NameResolver)? = nil, observer: (any EngineObserver)? = nil
    ) throws {
        let names = resolver.map { resolver in
            CustomResolver { host in
                do throws(NameError) {
                    return .success(try await resolver.addresses(of: host))
                } catch {
                    return .failure(error)
                }
            }
        }
        engine = try Engine.make(
            tuning, names: names, group: group?.group, observer: observer)
    }

    /// Wraps an engine that was made directly, as tests do.
    package init(_ engine: Engine) {
        self.engine = engine
    }

    /// The settings of this engine, which never change.
    public var tuning: EngineTuning { engine.tuning }

    /// An executor for tasks that should run on a connection thread: `Task(executorPreference:)`.
    ///
    /// It is optional: requests of such a task never switch threads while their connection is on
    /// the same thread. With several event loops each access returns the next one, so read it once
    /// per task. Such a task must not block.
    public var taskExecutor: any TaskExecutor { engine.taskExecutor }

    /// Sends a request and returns when the final head has arrived; the body is then read from the
    /// response.
    ///
    /// - Throws: `TransportError`, before anything is dialled when the request itself is invalid.
    public func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        try await options.proxyAlternatives.isEmpty
            ? send(prepare(request, body, options))
            : sendThroughProxies(request, body, options)
    }

    /// The same with a request that was checked.
    @inline(__always)
    func send(_ request: OutgoingRequest) async throws(TransportError) -> Response {
        Response(try await engine.execute(request))
    }

    /// Not inlined, because its temporary values would occupy `send`'s frame for the whole
    /// exchange.
    @inline(never)
    func prepare(
        _ request: HTTPRequest, _ body: RequestBody, _ options: RequestOptions
    ) throws(TransportError) -> OutgoingRequest {
        do throws(InvalidRequest) {
            return try engine.outgoing(request, body, options)
        } catch {
            var failure = TransportError(error)
            failure.metadata = options.metadata
            throw failure
        }
    }

    /// Ends the engine: new requests are refused, and those in flight have `drain` to finish before
    /// they are cut.
    ///
    /// It returns when no connection, descriptor or thread is left. A second call waits for the
    /// same end, and cuts earlier when its own `drain` ends earlier.
    ///
    /// - Returns: one line for each route that was cut, to the first call; an empty array to later
    ///   calls.
    @discardableResult
    public func shutdown(drain: Duration = .zero) async -> [String] {
        await engine.shutDown(drain: drain)
    }

    /// Closes idle connections; exchanges in flight are not affected.
    public func closeIdleConnections() {
        engine.closeIdle()
    }

    /// Reads the files and sources of TLS settings again, as after the renewal of a certificate:
    /// those of `tuning.tls` and of the proxies in use.
    ///
    /// The tuning does not change, only the bytes that its paths and sources give. When those of
    /// `tuning.tls` are unusable, the call throws and nothing changes. Unusable files of a proxy
    /// count as changed, and the next dial through that proxy fails. Where the bytes have changed,
    /// new handshakes use them, earlier sessions are not resumed, and connections over TLS finish
    /// their exchanges and get no new ones (`CloseReason.tlsReloaded`). Equal bytes change nothing.
    /// The system's store always counts as changed.
    ///
    /// - Returns: whether anything in use has changed.
    /// - Throws: `TransportError` naming the file or source at fault.
    @discardableResult
    public func reloadTLS() async throws(TransportError) -> Bool {
        try await engine.reloadTLS()
    }

    /// Returns the state of the engine at this instant, and its counters.
    public func snapshot() -> EngineSnapshot {
        engine.snapshot()
    }
}
