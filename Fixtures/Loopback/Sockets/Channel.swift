#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The bytes that a connection has transferred; read by tests while its thread writes.
protocol TrafficMeter: AnyObject, Sendable {
    func sent(_ count: Int)
    func received(_ count: Int)
}

/// One socket with its buffers, and optionally TLS.
///
/// It belongs to one thread and does not own the descriptor. The socket stays in blocking mode:
/// calls that must not wait use a flag.
final class Channel {
    enum Fill {
        /// There are new bytes in `input`.
        case bytes
        /// The peer ended its direction in order (close_notify, or FIN without TLS).
        case end
        /// There is nothing now or, when waiting, the socket's receive timeout has passed.
        case nothing
        /// Reset, or not TLS.
        case failed
    }

    enum Flush {
        case done
        /// The socket is full; poll for writing.
        case blocked
        case failed
    }

    /// The bytes that a thread collects before it sends.
    static let coalescedSize = 64 * 1024

    let descriptor: Int32
    private(set) var tls: TLSLayer?
    /// Bytes from the peer, decrypted.
    let input = ByteQueue(capacity: 16 * 1024)
    /// Bytes for the peer, not yet encrypted.
    let output = ByteQueue(capacity: 4 * 1024)
    /// Records for the socket; empty without TLS.
    private let records = ByteQueue(capacity: 64)
    private let meter: (any TrafficMeter)?
    private static let receiveSize = 64 * 1024

    init(descriptor: Int32, meter: (any TrafficMeter)? = nil) {
        self.descriptor = descriptor
        self.meter = meter
    }

    /// Whether bytes are buffered that poll cannot see.
    var hasBufferedInput: Bool { !input.isEmpty }

    var hasPendingOutput: Bool { !output.isEmpty || !records.isEmpty }

    // MARK: TLS

    /// Performs the server's handshake, waiting for the peer; `false` when it fails.
    ///
    /// Received bytes that were not consumed are the first records.
    func acceptTLS(_ acceptor: TLSAcceptor) -> Bool {
        guard tls == nil, let layer = acceptor.makeLayer() else { return false }
        if !input.isEmpty {
            layer.receivedRecords(input.readable)
            input.removeAll()
        }
        tls = layer
        while true {
            let step = layer.handshake()
            // After a failure too: the peer receives the alert.
            layer.drainRecords(into: records)
            guard flushRecords(waiting: true) == .done else { return false }
            switch step {
            case .done: return true
            case .wantsInput:
                guard receiveRecords(layer, waiting: true) == .bytes else { return false }
            case .ended, .failed: return false
            }
        }
    }

    /// Sends close_notify if the socket accepts it at once.
    func sendCloseNotify() {
        guard let tls, flush(waiting: false) == .done else { return }
        tls.shutDown()
        tls.drainRecords(into: records)
        _ = flushRecords(waiting: false)
    }

    /// Sends bytes and close_notify in one write; `false` when that is not possible.
    func sendWithCloseNotify(_ bytes: [UInt8]) -> Bool {
        guard let tls, flush(), bytes.withUnsafeBytes({ tls.write($0) }) else { return false }
        tls.shutDown()
        tls.drainRecords(into: records)
        return flushRecords(waiting: true) == .done
    }

    /// Sends KeyUpdates, each in a separate record; `false` when that is not possible.
    func sendKeyUpdates(_ count: Int) -> Bool {
        guard let tls else { return false }
        for _ in 0..<count {
            guard tls.updateKeys() else { return false }
            tls.drainRecords(into: records)
        }
        return flushRecords(waiting: true) == .done
    }

    /// Requests a new handshake from the client.
    func askForRenegotiation() -> Bool {
        guard let tls, tls.requestRenegotiation() else { return false }
        tls.drainRecords(into: records)
        return flushRecords(waiting: true) == .done
    }

    /// Ends TLS with a fatal alert.
    func sendFatalAlert() -> Bool {
        guard let tls else { return false }
        tls.makeFatalAlert()
        tls.drainRecords(into: records)
        return flushRecords(waiting: true) == .done
    }

    // MARK: Reading

    /// Reads once, or as long as TLS needs for one byte of plaintext.
    func fill(waiting: Bool) -> Fill {
        guard let tls else { return receive(into: input, waiting: waiting) }
        while true {
            switch readPlaintext(tls) {
            case .bytes: return .bytes
            case .end: return .end
            case .failed: return .failed
            case .nothing: break
            }
            let received = receiveRecords(tls, waiting: waiting)
            // A FIN without close_notify is a truncation.
            if received == .end { return .failed }
            guard received == .bytes else { return received }
        }
    }

    private func readPlaintext(_ tls: TLSLayer) -> Fill {
        var found = false
        while true {
            switch tls.read(into: input.reserve(17 * 1024)) {
            case .done(let count):
                input.commit(count)
                found = true
            case .wantsInput:
                tls.drainRecords(into: records)
                if found { return .bytes }
                return .nothing
            case .ended: return found ? .bytes : .end
            case .failed: return found ? .bytes : .failed
            }
        }
    }

    private func receiveRecords(_ tls: TLSLayer, waiting: Bool) -> Fill {
        withUnsafeTemporaryAllocation(byteCount: Channel.receiveSize, alignment: 16) { scratch in
            let (fill, count) = receive(into: scratch, waiting: waiting)
            if count > 0 {
                tls.receivedRecords(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
            }
            return fill
        }
    }

    private func receive(into queue: ByteQueue, waiting: Bool) -> Fill {
        let room = queue.reserve(8 * 1024)
        let (fill, count) = receive(into: room, waiting: waiting)
        queue.commit(count)
        return fill
    }

    private func receive(
        into room: UnsafeMutableRawBufferPointer, waiting: Bool
    ) -> (Fill, count: Int) {
        while true {
            let flags = waiting ? 0 : Int32(MSG_DONTWAIT)
            let count = recv(descriptor, room.baseAddress, room.count, flags)
            if count > 0 {
                meter?.received(count)
                return (.bytes, count)
            }
            if count == 0 { return (.end, 0) }
            switch errno {
            case EINTR: continue
            case EAGAIN: return (.nothing, 0)
            default: return (.failed, 0)
            }
        }
    }

    // MARK: Writing

    /// Sends all of `output`, waiting for the peer; `false` when the peer has closed.
    func flush() -> Bool {
        flush(waiting: true) == .done
    }

    /// Sends `output` if it has reached the flush size.
    func flushIfLarge() -> Bool {
        output.count < Channel.coalescedSize || flush()
    }

    /// Sends what the socket accepts at once, or all when `waiting`.
    func flush(waiting: Bool) -> Flush {
        guard let tls else { return send(output, waiting: waiting) }
        while true {
            let sent = flushRecords(waiting: waiting)
            guard sent == .done, !output.isEmpty else { return sent }
            let part = min(output.count, 4 * 16 * 1024)
            guard tls.write(UnsafeRawBufferPointer(rebasing: output.readable[..<part])) else {
                return .failed
            }
            output.consume(part)
            tls.drainRecords(into: records)
        }
    }

    /// Sends bytes past TLS, as they are; for peers that misbehave.
    func sendRaw(_ bytes: [UInt8]) -> Bool {
        records.append(bytes)
        return flushRecords(waiting: true) == .done
    }

    private func flushRecords(waiting: Bool) -> Flush {
        send(records, waiting: waiting)
    }

    private func send(_ queue: ByteQueue, waiting: Bool) -> Flush {
        while !queue.isEmpty {
            let bytes = queue.readable
            // The peer may have closed; SIGPIPE must not reach the process.
            var flags = Int32(MSG_NOSIGNAL)
            if !waiting { flags |= Int32(MSG_DONTWAIT) }
            let count = Glibc.send(descriptor, bytes.baseAddress, bytes.count, flags)
            if count >= 0 {
                queue.consume(count)
                meter?.sent(count)
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN where !waiting: return .blocked
            default: return .failed
            }
        }
        return .done
    }
}
