import Glibc

/// A blocking socket to a port of 127.0.0.1, for tests to say and hear exact bytes.
final class PlainClient {
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    /// What ended the connection; 0 for an end in order.
    private var error: Int32 = 0

    init?(_ port: UInt16) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        // A server that never answers must fail the test, not hang it.
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        if result != 0 { return nil }
    }

    deinit {
        close(descriptor)
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// Sends each byte by itself.
    func sendByteByByte(_ text: String) {
        for byte in text.utf8 { send([byte]) }
    }

    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Everything up to the next empty line, with it.
    func head() -> String {
        while true {
            if let end = endOfHead() {
                defer { buffer.removeFirst(end) }
                return String(decoding: buffer[..<end], as: UTF8.self)
            }
            guard receive() else { return "" }
        }
    }

    func bytes(_ count: Int) -> [UInt8] {
        while buffer.count < count {
            guard receive() else { break }
        }
        defer { buffer.removeFirst(min(count, buffer.count)) }
        return Array(buffer.prefix(count))
    }

    func text(_ count: Int) -> String { String(decoding: bytes(count), as: UTF8.self) }

    /// Everything to the end of the connection, and the error that ended it, 0 for none.
    func rest() -> (bytes: [UInt8], error: Int32) {
        while receive() {}
        defer { buffer = [] }
        return (buffer, error)
    }

    func restText() -> String { String(decoding: rest().bytes, as: UTF8.self) }

    private func endOfHead() -> Int? {
        guard buffer.count >= 4 else { return nil }
        return (4...buffer.count).first { buffer[($0 - 4)..<$0].elementsEqual([13, 10, 13, 10]) }
    }

    private func receive() -> Bool {
        var piece = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &piece, piece.count, 0)
        if count < 0 { error = errno }
        guard count > 0 else { return false }
        buffer += piece[..<count]
        return true
    }
}
