#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A port on which connections neither succeed nor fail: a listener whose queue is full.
package final class FullListener: Sendable {
    package let port: UInt16
    private let descriptors: [Int32]

    /// Listens on a loopback address, at a port of the system's choice when 0 is wanted.
    package init(_ literal: String = "127.0.0.1", port wanted: UInt16 = 0) throws {
        guard let local = SocketAddress.resolve(literal, port: wanted) else {
            throw LoopbackError("\(literal) is not a loopback address")
        }
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let listener = socket(local.family, type, 0)
        guard listener >= 0, local.withPointer({ bind(listener, $0, $1) }) == 0,
            listen(listener, 0) == 0
        else {
            let error = LoopbackError.system("socket, bind or listen")
            if listener >= 0 { close(listener) }
            throw error
        }
        port = SocketAddress.localPort(of: listener)
        var all = [listener]
        if let target = SocketAddress.resolve(literal, port: port) {
            for _ in 0..<4 {
                let filler = socket(target.family, type | Int32(SOCK_NONBLOCK.rawValue), 0)
                _ = target.withPointer { connect(filler, $0, $1) }
                all.append(filler)
            }
        }
        descriptors = all
    }

    deinit {
        for descriptor in descriptors { close(descriptor) }
    }
}
