import ApusSocket
import Glibc
import Loopback

/// A network of its own, in which a test may break what it likes; gone with its owner.
///
/// It has no name and no remains: the owner of its descriptor, or a thread or socket in it, keeps
/// it. Needs root and iproute2.
final class NetworkNamespace: Sendable {
    /// What happened instead of a network.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Why there can be none here; `nil` when there can.
    static let obstacle: String? = {
        guard geteuid() == 0 else { return "a network namespace needs root" }
        guard access(ip, X_OK) == 0 else { return "iproute2 is not installed" }
        return nil
    }()

    private static let ip: String = {
        let places: [String] = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"]
        return places.first { (place: String) in access(place, X_OK) == 0 } ?? ""
    }()
    private static let newNetwork: Int32 = 0x4000_0000

    private let descriptor: Int32

    /// Makes a network with nothing but its loopback.
    init() async throws {
        descriptor = try await NetworkNamespace.onThread {
            // Glibc's module leaves both calls out.
            typealias Unshare = @convention(c) (Int32) -> Int32
            guard let symbol = dlsym(nil, "unshare") else {
                throw Failure(description: "no unshare")
            }
            let unshare = unsafeBitCast(symbol, to: Unshare.self)
            guard unshare(NetworkNamespace.newNetwork) == 0 else {
                throw Failure(description: "unshare: \(errno)")
            }
            return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        }
        guard descriptor >= 0 else { throw Failure(description: "no descriptor of the network") }
        try await run("link set lo up")
    }

    deinit {
        close(descriptor)
    }

    /// Moves the calling thread into this network, for good.
    func enter() {
        typealias Setns = @convention(c) (Int32, Int32) -> Int32
        guard let symbol = dlsym(nil, "setns") else { return }
        _ = unsafeBitCast(symbol, to: Setns.self)(descriptor, NetworkNamespace.newNetwork)
    }

    /// Runs a function on a thread inside.
    func inside<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await NetworkNamespace.onThread {
            self.enter()
            return try body()
        }
    }

    /// Where others find this network.
    var path: String { "/proc/\(getpid())/fd/\(descriptor)" }

    /// Runs `ip` inside.
    func run(_ command: String) async throws {
        try await run(NetworkNamespace.ip, command.split(separator: " ").map(String.init))
    }

    /// Runs a program inside.
    func run(_ program: String, _ words: [String]) async throws {
        try await inside {
            let arguments = ([program] + words).map { strdup($0) } + [nil]
            defer { for word in arguments { free(word) } }
            var child = pid_t()
            let what = "\(program) \(words)"
            guard posix_spawn(&child, program, nil, nil, arguments, nil) == 0 else {
                throw Failure(description: "\(what): \(errno)")
            }
            var status: Int32 = 0
            while waitpid(child, &status, 0) < 0, errno == EINTR {}
            guard status == 0 else { throw Failure(description: "\(what): \(status)") }
        }
    }

    /// Sets a value of the network under /proc/sys/net.
    func set(_ name: String, to value: String) async throws {
        try await inside {
            let file = open("/proc/sys/net/\(name)", O_WRONLY | O_CLOEXEC)
            guard file >= 0 else { throw Failure(description: "\(name): \(errno)") }
            defer { close(file) }
            guard write(file, value, value.utf8.count) == value.utf8.count else {
                throw Failure(description: "\(name): \(errno)")
            }
        }
    }

    /// Makes a device whose other end is not connected.
    ///
    /// What is sent to `dead` addresses is lost; the `own` addresses are this machine's.
    func addVoid(own: [String], dead: [String]) async throws {
        try await run("link add void0 type veth peer name void1")
        try await run("link set void0 up")
        try await run("link set void1 up")
        for address in own {
            let isIPv6 = address.contains(":")
            try await run(
                "addr add \(address)/\(isIPv6 ? 128 : 32) dev void0\(isIPv6 ? " nodad" : "")")
        }
        for address in dead { try await lose(address) }
    }

    /// What is sent to this address is lost from now on.
    func lose(_ address: String) async throws {
        let family = address.contains(":") ? "-6 " : ""
        // A static neighbour, at an unused hardware address.
        try await run("\(family)route replace \(address) dev void0")
        try await run(
            "\(family)neigh replace \(address) lladdr 02:00:00:00:00:99 dev void0 nud permanent")
    }

    private static func onThread<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            let isStarted = DetachedThread.start(named: "network") {
                continuation.resume(with: Swift.Result(catching: body))
            }
            if !isStarted { continuation.resume(throwing: Failure(description: "no thread")) }
        }
    }
}
