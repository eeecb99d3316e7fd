import CApusLinux

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// What the system reports of its own changes, heard on a loop.
///
/// Unchecked, because `token` and `handle` are touched on the loop's thread only, and so is the
/// descriptor.
package final class HostNotices: ReadinessHandler, @unchecked Sendable {
    /// What is reported.
    package enum Kind: Sendable {
        /// An interface lost an address; the bytes are for `AddressNotices`.
        case addresses
        /// The wall clock was set, as after a sleep; there are no bytes.
        case clock
    }

    /// A notice about an address has some hundred bytes.
    private static let maxDatagram = 8192

    private let kind: Kind
    private let loop: EventLoop
    private let descriptor: FileDescriptor
    private var token: UInt64?
    private var handle: (([UInt8]) -> Void)?

    /// Opens the source; `nil` where the system does not permit it.
    package init?(_ kind: Kind, on loop: EventLoop) {
        let number =
            switch kind {
            case .addresses: capus_open_address_notices()
            case .clock: capus_open_clock_notices()
            }
        guard number >= 0 else { return nil }
        descriptor = FileDescriptor(number)
        self.kind = kind
        self.loop = loop
    }

    /// Calls `handle` on the loop for each notice until `stop`; called on the loop.
    package func start(_ handle: @escaping ([UInt8]) -> Void) {
        guard let token = try? loop.register(descriptor, handler: self) else { return }
        self.token = token
        self.handle = handle
    }

    /// Hears no more; called on the loop.
    package func stop() {
        if let token { loop.deregister(descriptor, token: token) }
        token = nil
        handle = nil
    }

    package func readinessChanged(_ readiness: Readiness) {
        var bytes = [UInt8](repeating: 0, count: Self.maxDatagram)
        while true {
            let count = unsafe bytes.withUnsafeMutableBytes {
                unsafe read(descriptor.number, $0.baseAddress, $0.count)
            }
            if count > 0 {
                handle?(kind == .clock ? [] : Array(bytes[..<count]))
                continue
            }
            switch (count, errno) {
            case (..<0, EINTR): continue
            case (..<0, ECANCELED): handle?([])
            // Notices were lost, of which the system keeps a bounded number.
            case (..<0, ENOBUFS): continue
            default: return
            }
        }
    }
}
