import ApusSocket
import Glibc
import Testing

/// A server at the path of a Unix socket that answers each request with the same word.
///
/// It serves one connection after the other, on a thread that ends after `stop`.
final class UnixAnswerer: Sendable {
    let path: String
    private let descriptor: Int32

    init(path: String, answering word: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        try #require(descriptor >= 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let isListening = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 16) == 0
            }
        }
        try #require(isListening)
        let listening = descriptor
        let isStarted = DetachedThread.start(named: "unix-answerer") {
            while true {
                let client = accept(listening, nil, nil)
                guard client >= 0 else { return }
                UnixAnswerer.serve(client, word)
            }
        }
        try #require(isStarted)
    }

    func stop() {
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
        unlink(path)
    }

    private static func serve(_ client: Int32, _ word: String) {
        defer { close(client) }
        let answer = Array(
            "HTTP/1.1 200 OK\r\nContent-Length: \(word.utf8.count)\r\n\r\n\(word)".utf8)
        var head: [UInt8] = []
        var byte: UInt8 = 0
        while read(client, &byte, 1) == 1 {
            head.append(byte)
            guard head.suffix(4).elementsEqual([13, 10, 13, 10]) else { continue }
            head = []
            guard send(client, answer, answer.count, Int32(MSG_NOSIGNAL)) > 0 else {
                return
            }
        }
    }
}
