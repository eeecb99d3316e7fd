#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A server whose connections follow a script, for peers that misbehave byte by byte.
///
/// Each connection follows the script of its position in the order of acceptance. Received bytes
/// are kept, and scripts and tests can wait for each other by named signals.
package final class ScriptedPeer: Sendable {
    /// One action of a connection; a step that fails ends the script.
    package enum Step: Sendable {
        /// Reads until an HTTP/1 head is complete, whatever follows it.
        case expectHead
        /// Reads until so many bytes have arrived since the last expectation was met.
        case expectBytes(Int)
        /// Reads until the function accepts the bytes since the last expectation was met, and
        /// returns their end.
        case expect(@Sendable (UnsafeRawBufferPointer) -> Int?)
        /// Sends these bytes, through TLS after `startTLS`.
        case send([UInt8])
        case sendText(String)
        /// Sends the function's result for everything received.
        case reply(@Sendable ([UInt8]) -> [UInt8])
        /// Sends each byte separately.
        case sendByteByByte([UInt8])
        /// Sends bytes without encrypting them.
        case sendRaw([UInt8])
        /// Performs the TLS handshake; later steps use TLS.
        case startTLS(CertificateFiles, alpn: [String] = [])
        /// Waits for `release` or another script's `signal`.
        case waitForSignal(String)
        case signal(String)
        /// Waits for so long, or until the peer closes.
        case pause(Duration)
        /// From now on the script ends when nothing has come for so long.
        case endAfterSilence(Duration)
        /// As `startTLS`, in TLS 1.2, and answering ALPN with this name whatever was offered.
        case startOddTLS(CertificateFiles, alpn: String? = nil)
        /// Sends so many TLS 1.3 KeyUpdates.
        case keyUpdates(Int)
        /// Requests a renegotiation, as TLS 1.2 allows.
        case renegotiate
        /// Sends a fatal TLS alert; nothing can be sent through TLS afterwards.
        case fatalAlert
        /// TLS's orderly end.
        case closeNotify
        /// Sends these bytes and TLS's orderly end, in one write to the socket.
        case sendWithCloseNotify([UInt8])
        /// Segments with data that come from now on are lost on the way, until `receiveAgain`; the
        /// peer's system sends them again.
        case loseInput
        /// Waits until `loseInput` loses one more segment: one that was lost before comes again.
        case untilLost
        /// Ends `loseInput`.
        case receiveAgain
        /// FIN, in one direction.
        case halfClose
        /// FIN, and a reset for each byte that comes later: what a close is for the peer.
        case endBothWays
        /// Closes at once, without close_notify; a reset if bytes were left unread.
        case close
        /// Closes with a reset.
        case reset
        /// Neither reads nor sends until the peer closes or the server stops.
        case silence
        /// Reads until the peer's end.
        case readUntilEnd
    }

    /// The state of one connection so far.
    package struct Transcript: Sendable, Hashable {
        /// Everything received, decrypted after `startTLS`.
        package var received: [UInt8] = []
        /// The peer has ended its direction or closed.
        package var hasEnded = false
        /// The steps that were completed.
        package var steps = 0
        /// The script is over and the socket closed.
        package var isClosed = false

        /// What was received, as text.
        package var text: String { String(decoding: received, as: UTF8.self) }
    }

    package let port: UInt16
    private let listener: Listener
    private let stage: Stage

    /// Creates a peer whose connection n follows `scripts[n]`, and every later one `otherwise`.
    package init(
        _ scripts: [[Step]], otherwise: [Step] = [.close], ipv6: Bool = false
    ) throws {
        listener = try Listener(name: "scripted", ipv6: ipv6)
        port = listener.port
        stage = Stage(StageState())
        try listener.start { [stage] descriptor, index in
            let script = index < scripts.count ? scripts[index] : otherwise
            stage.change { $0.connections[index] = Transcript() }
            var actor = ScriptActor(descriptor: descriptor, index: index, stage: stage)
            for step in script {
                guard actor.perform(step) else { break }
                stage.change { $0.connections[index]?.steps += 1 }
            }
            actor.finish()
        }
    }

    /// Creates a peer with the same script for every connection.
    package convenience init(everyConnection script: [Step]) throws {
        try self.init([], otherwise: script)
    }

    deinit {
        stop()
    }

    /// How many connections were accepted.
    ///
    /// They are numbered as they are accepted; the thread of an earlier one may start later.
    package var connectionCount: Int {
        stage.withLock { ($0.connections.keys.max() ?? -1) + 1 }
    }

    /// The state of connection `index`; empty when there was none.
    package func transcript(_ index: Int) -> Transcript {
        stage.withLock { $0.connections[index] ?? Transcript() }
    }

    /// Releases every `waitForSignal` with this name, now and later.
    package func release(_ signal: String) {
        stage.change { _ = $0.signals.insert(signal) }
    }

    /// Closes everything and joins every thread; a second call does nothing.
    package func stop() {
        stage.change { $0.isStopped = true }
        listener.stop()
    }

    // MARK: Waiting, blocking the calling thread

    /// Waits until so many connections were accepted; `false` after the timeout.
    package func waitUntil(connections count: Int, timeout: Duration = .seconds(300)) -> Bool {
        waitUntil(timeout) { $0.connections.count >= count }
    }

    /// Waits until a script has performed `.signal(name)`, or `release(name)` was called.
    package func waitUntil(signal name: String, timeout: Duration = .seconds(300)) -> Bool {
        waitUntil(timeout) { $0.signals.contains(name) }
    }

    /// Waits until connection `index` is in a state that `condition` accepts.
    package func waitUntil(
        connection index: Int, timeout: Duration = .seconds(300),
        _ condition: (Transcript) -> Bool
    ) -> Bool {
        waitUntil(timeout) { $0.connections[index].map(condition) ?? false }
    }

    /// Waits until the socket of connection `index` is closed, so that the peer can notice it.
    package func waitUntilClosed(connection index: Int, timeout: Duration = .seconds(300)) -> Bool {
        listener.waitUntilClosed(connection: index, timeout: timeout)
    }

    private func waitUntil(_ timeout: Duration, _ condition: (StageState) -> Bool) -> Bool {
        stage.wait(until: Monotonic.after(timeout)) { condition($0) ? true : nil } ?? false
    }

    // MARK: Waiting, for tasks

    package func connections(_ count: Int, timeout: Duration = .seconds(300)) async -> Bool {
        await onOwnThread { self.waitUntil(connections: count, timeout: timeout) }
    }

    package func signal(_ name: String, timeout: Duration = .seconds(300)) async -> Bool {
        await onOwnThread { self.waitUntil(signal: name, timeout: timeout) }
    }

    package func connection(
        _ index: Int, timeout: Duration = .seconds(300),
        _ condition: @escaping @Sendable (Transcript) -> Bool
    ) async -> Bool {
        await onOwnThread {
            self.waitUntil(connection: index, timeout: timeout, condition)
        }
    }

    /// Waits on a separate thread, so that no task's thread is blocked.
    private func onOwnThread(_ wait: @escaping @Sendable () -> Bool) async -> Bool {
        await withCheckedContinuation { continuation in
            let thread = WorkerThread.start("scripted-wait") {
                continuation.resume(returning: wait())
            }
            guard let thread else {
                continuation.resume(returning: false)
                return
            }
            pthread_detach(thread)
        }
    }
}

/// The state shared by a scripted peer's threads and its test.
typealias Stage = Guarded<StageState>

struct StageState: Sendable {
    var connections: [Int: ScriptedPeer.Transcript] = [:]
    var signals: Set<String> = []
    var isStopped = false
}

/// Performs one connection's steps.
private struct ScriptActor {
    private let channel: Channel
    private let index: Int
    private let stage: Stage
    /// The offset in the received bytes at which the next expectation begins.
    private var position = 0
    /// How long nothing may come; `nil` is no limit.
    private var patience: Duration?

    init(descriptor: Int32, index: Int, stage: Stage) {
        channel = Channel(descriptor: descriptor)
        self.index = index
        self.stage = stage
    }

    /// Performs a step, and returns whether the next one may follow.
    mutating func perform(_ step: ScriptedPeer.Step) -> Bool {
        switch step {
        case .expectHead, .expectBytes, .expect: return expect(step)
        case .send(let bytes): return send(bytes)
        case .sendText(let text): return send(Array(text.utf8))
        case .reply(let make):
            return send(make(stage.withLock { $0.connections[index]?.received ?? [] }))
        case .sendByteByByte(let bytes): return bytes.allSatisfy { send([$0]) }
        case .sendRaw(let bytes): return channel.sendRaw(bytes)
        case .startTLS(let files, let protocols): return startTLS(files, protocols)
        case .waitForSignal(let name):
            let released = stage.wait(until: nil) { state -> Bool? in
                if state.signals.contains(name) { return true }
                return state.isStopped ? false : nil
            }
            return released ?? false
        case .signal(let name):
            stage.change { _ = $0.signals.insert(name) }
            return true
        case .pause(let duration):
            return Socket.sleep(channel.descriptor, until: Monotonic.after(duration))
        case .endAfterSilence(let duration):
            patience = duration
            return true
        case .startOddTLS(let files, let name): return startOddTLS(files, name)
        case .keyUpdates(let count): return channel.sendKeyUpdates(count)
        case .renegotiate: return channel.askForRenegotiation()
        case .fatalAlert: return channel.sendFatalAlert()
        case .closeNotify:
            channel.sendCloseNotify()
            return true
        case .sendWithCloseNotify(let bytes): return channel.sendWithCloseNotify(bytes)
        case .loseInput: return LostInput.begin(on: channel.descriptor)
        case .untilLost:
            let before = LostInput.count(on: channel.descriptor)
            while LostInput.count(on: channel.descriptor) == before {
                let end = Monotonic.after(.milliseconds(1))
                guard Socket.sleep(channel.descriptor, until: end) else { return false }
            }
            return true
        case .receiveAgain: return LostInput.end(on: channel.descriptor)
        case .halfClose:
            return shutdown(channel.descriptor, Int32(SHUT_WR)) == 0
        case .endBothWays: return shutdown(channel.descriptor, Int32(SHUT_RDWR)) == 0
        case .close: return false
        case .reset:
            Socket.resetOnClose(channel.descriptor)
            return false
        case .silence:
            _ = Socket.sleep(channel.descriptor, until: nil)
            return true
        case .readUntilEnd:
            while receive() {}
            return true
        }
    }

    func finish() {
        stage.change { $0.connections[index]?.isClosed = true }
    }

    private mutating func expect(_ step: ScriptedPeer.Step) -> Bool {
        while true {
            let position = position
            let met = stage.withLock { state -> Int? in
                guard let received = state.connections[index]?.received else { return nil }
                return received.withUnsafeBytes { bytes in
                    let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
                    if case .expectBytes(let count) = step {
                        return rest.count >= count ? count : nil
                    }
                    if case .expect(let find) = step { return find(rest) }
                    return RequestHead.length(in: rest)
                }
            }
            if let met {
                self.position += met
                return true
            }
            guard receive() else { return false }
        }
    }

    /// Receives once and keeps it; `false` at the end.
    private func receive() -> Bool {
        if let patience, channel.input.isEmpty {
            let end = Monotonic.after(patience)
            guard Socket.wait(channel.descriptor, for: Int32(POLLIN), until: end) != 0 else {
                return false
            }
        }
        let fill = channel.input.isEmpty ? channel.fill(waiting: true) : .bytes
        let bytes = Array(channel.input.readable)
        channel.input.removeAll()
        stage.change { state in
            state.connections[index]?.received += bytes
            if fill != .bytes { state.connections[index]?.hasEnded = true }
        }
        return fill == .bytes
    }

    private func send(_ bytes: [UInt8]) -> Bool {
        channel.output.append(bytes)
        return channel.flush()
    }

    private func startTLS(_ files: CertificateFiles, _ protocols: [String]) -> Bool {
        let settings = TLSAcceptor.Settings(certificate: files, protocols: protocols)
        guard let acceptor = try? TLSAcceptor(settings) else { return false }
        return channel.acceptTLS(acceptor)
    }

    private func startOddTLS(_ files: CertificateFiles, _ name: String?) -> Bool {
        var settings = TLSAcceptor.Settings(
            certificate: files, protocols: name.map { [$0] } ?? [])
        settings.maximumVersion = .tls12
        settings.insistsOnProtocol = true
        guard let acceptor = try? TLSAcceptor(settings) else { return false }
        return channel.acceptTLS(acceptor)
    }
}
