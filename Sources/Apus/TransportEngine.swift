package import ApusTransport

/// The engine: connections, their pool and the threads that carry them.
///
/// Everything is given when it is made and nothing is global: two engines cannot affect each other.
/// Make one, share it, and make as many clients over it as there are requests.
public final class TransportEngine: HTTPTransport {
    let engine: Engine

    /// Makes an engine and starts its threads.
    ///
    /// - Parameters:
    ///   - tuning: every number it works by; `.default` unless told otherwise.
    ///   - group: threads shared with other engines; `tuning.eventLoops` then counts for nothing.
    ///   - resolver: finds addresses; `nil` asks the system, on threads of its own.
    ///   - observer: hears what happens; without one nothing is gathered.
    /// - Throws: `InvalidTuning` naming the field at fault, or `TransportError` when the system has
    ///   no
    ///   descriptor or thread left.
    public init(
        _ tuning: EngineTuning = .default, group: EventLoopGroup? = nil,
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

    /// Puts the public face on an engine that was made below it, as tests do.
    package init(_ engine: Engine) {
        self.engine = engine
    }

    /// The numbers that this engine works by; they never change.
    public var tuning: EngineTuning { engine.tuning }

    /// Where tasks may run to share the connections' threads: `Task(executorPreference:)`.
    ///
    /// An option, never a requirement: such a task's requests never change threads, as long as the
    /// connection that they get lives on the same one. With several event loops each call gives the
    /// next one, so ask once per task. It must not block.
    public var executor: any TaskExecutor { engine.executor }

    /// Sends a request and returns as soon as its final head has come; the body follows as it is
    /// read.
    ///
    /// - Throws: `TransportError`; before anything is dialled when the request itself is at fault.
    public func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        Response(try await engine.execute(prepare(request, body, options)))
    }

    /// Not inlined: what it needs for a moment would stay in `send`'s frame for the whole exchange.
    @inline(never)
    private func prepare(
        _ request: HTTPRequest, _ body: RequestBody, _ options: RequestOptions
    ) throws(TransportError) -> OutgoingRequest {
        do throws(InvalidRequest) {
            return try OutgoingRequest(
                request, body: body, options: options, tuning: engine.tuning, routes: engine.routes)
        } catch {
            throw TransportError(error)
        }
    }

    /// Ends the engine: no new requests, those in flight have `drain` to finish, then they are cut.
    ///
    /// Returns when no connection, descriptor or thread is left. A second call waits for the same
    /// end, and cuts earlier when its own `drain` ends earlier: patient first, then not.
    ///
    /// - Returns: one line for each route that was still busy when the time ran out, for the first
    ///   call; nothing for the others.
    @discardableResult
    public func shutdown(drain: Duration = .zero) async -> [String] {
        await engine.shutDown(drain: drain)
    }

    /// Closes the connections that carry nothing now; exchanges in flight are not touched.
    public func closeIdleConnections() {
        engine.closeIdle()
    }

    /// Reads the files and sources of `tuning.tls`, and of the proxies' own TLS settings in use,
    /// anew, as when a certificate was renewed.
    ///
    /// The tuning does not change, only what its paths and sources stand for. When those of
    /// `tuning.tls` are unusable this throws, and everything stays as it was; a proxy's own that
    /// are, count as changed, and are told to whoever needs them next. Where the bytes are others,
    /// new handshakes use them, no session of before is resumed, and connections over TLS finish
    /// what they carry and take no more (`CloseReason.tlsReloaded`); equal bytes change nothing.
    /// The system's store is always taken for changed.
    ///
    /// - Returns: whether anything in use has changed.
    /// - Throws: `TransportError` that names the file or source at fault.
    @discardableResult
    public func reloadTLS() async throws(TransportError) -> Bool {
        try await engine.reloadTLS()
    }

    /// What the engine holds and has done, at this instant.
    public func snapshot() -> EngineSnapshot {
        engine.snapshot()
    }
}
