import Glibc
import Synchronization

/// A real server under way: started with a filled copy of its template, ended with the process.
///
/// `Fixtures/servers/guard` runs it for as long as our end of a leash stays open. So it ends with
/// this process however that ends, and `stop()` is closing the leash and waiting for the guard.
final class RunningServer: Sendable {
    /// The ports it listens on, by the name that the template has for each.
    let ports: [String: UInt16]
    /// What the server may write to.
    let folder: String
    private let guardian: ChildProcess
    private let leash: Int32
    private let isStopped = Mutex(false)

    /// A server to start: its command line, given the ports.
    struct Plan {
        let name: String
        let portNames: [String]
        /// Ports to take again, of a server that has ended; others are chosen.
        var ports: [String: UInt16] = [:]
        let command: (_ ports: [String: UInt16], _ folder: String) throws -> [String]
    }

    /// Starts a server and returns when it accepts on every port.
    ///
    /// A port may be taken between its choice and the server's start, so that others are tried.
    /// - Throws: the tail of the server's own output when it does not come up.
    static func start(_ plan: Plan) throws -> RunningServer {
        var attempts = 3
        while true {
            attempts -= 1
            do {
                return try RunningServer(plan)
            } catch  where attempts > 0 {
                continue
            }
        }
    }

    private init(_ plan: Plan) throws {
        folder = try ServedFiles.temporaryFolder.get() + "/\(plan.name)"
        mkdir(folder, 0o755)
        ports = try Dictionary(uniqueKeysWithValues: zip(plan.portNames, Self.freePorts(plan)))
            .merging(plan.ports) { $1 }
        let command = try plan.command(ports, folder)
        let log = "\(folder)/output.log"
        var ends: [Int32] = [-1, -1]
        // A pair of sockets, since those are closed on exec from the start: a server that starts
        // at the same time must not hold this one's leash.
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw ChildProcess.Failure(description: "no pair of sockets: \(errno)")
        }
        defer { close(ends[0]) }
        leash = ends[1]
        do {
            guardian = try ChildProcess(
                RealServer.fixtures + "/guard", command, input: ends[0], output: log)
        } catch {
            close(leash)
            throw error
        }
        endingHook
        guard Self.waitUntilAccepting(Array(ports.values), guardian) else {
            stop()
            throw StartFailure(
                program: plan.name, reason: "its output ends:\n\(tail(of: log))")
        }
        servers.withLock { $0.append(self) }
    }

    /// Sends a signal to the server's own processes, by their group, and not to the guard.
    ///
    /// - Returns: `false` when there is none.
    func signal(_ number: Int32) -> Bool {
        let path = "/proc/\(guardian.id)/task/\(guardian.id)/children"
        guard let file = fopen(path, "r") else { return false }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4096)
        guard fgets(&line, Int32(line.count), file) != nil else { return false }
        let text = String(
            decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let children = text.split(separator: " ").compactMap { pid_t($0) }
        return !children.isEmpty && children.allSatisfy { kill($0, number) == 0 }
    }

    /// Ends the server: SIGTERM, and after two seconds SIGKILL to it and its children.
    func stop() {
        let isFirst = isStopped.withLock { stopped in
            defer { stopped = true }
            return !stopped
        }
        guard isFirst else { return }
        close(leash)
        _ = guardian.waitBlocking()
    }

    /// Ports that were free an instant ago, all different.
    private static func freePorts(_ plan: Plan) throws -> [UInt16] {
        var descriptors: [Int32] = []
        defer { for descriptor in descriptors { close(descriptor) } }
        return try plan.portNames.map { _ in
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            descriptors.append(descriptor)
            var address = loopback(port: 0)
            let isBound = address.withPointer { bind(descriptor, $0, $1) == 0 }
            guard isBound, let port = localPort(of: descriptor) else {
                throw ChildProcess.Failure(description: "no free port: \(errno)")
            }
            return port
        }
    }

    /// Tries to connect until every port accepts, the server has ended, or ten seconds are over.
    private static func waitUntilAccepting(_ ports: [UInt16], _ guardian: ChildProcess) -> Bool {
        let end = ContinuousClock.now.advanced(by: .seconds(10))
        var closed = ports
        while ContinuousClock.now < end {
            closed.removeAll(where: accepts)
            if closed.isEmpty { return true }
            // Only looked at, so that `stop` can still wait for it.
            var facts = siginfo_t()
            let options = WEXITED | WNOHANG | WNOWAIT
            if waitid(P_PID, id_t(guardian.id), &facts, options) == 0, facts.si_signo == SIGCHLD {
                return false
            }
            usleep(5_000)
        }
        return false
    }

    private static func accepts(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = loopback(port: port)
        return address.withPointer { connect(descriptor, $0, $1) == 0 }
    }

    private static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private static func localPort(of descriptor: Int32) -> UInt16? {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isKnown = address.withPointer { pointer, _ in
            getsockname(descriptor, UnsafeMutablePointer(mutating: pointer), &size) == 0
        }
        return isKnown ? UInt16(bigEndian: address.sin_port) : nil
    }
}

extension sockaddr_in {
    /// Gives the address in the form that the socket calls take.
    fileprivate mutating func withPointer<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        withUnsafeMutablePointer(to: &self) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

/// What runs now, to be stopped when the process ends.
private let servers = Mutex<[RunningServer]>([])

/// Stops every server; runs when the process ends.
private func stopEveryServer() {
    for server in servers.withLock({ $0 }) { server.stop() }
}

/// Named once, so that the hook is set once.
private let endingHook: Void = {
    atexit(stopEveryServer)
}()

/// The last lines of a file.
func tail(of path: String, lines: Int = 20) -> String {
    guard let file = fopen(path, "r") else { return "(no \(path))" }
    defer { fclose(file) }
    var kept: [String] = []
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    while getline(&line, &capacity, file) > 0, let text = line {
        kept.append(String(cString: text))
        if kept.count > lines { kept.removeFirst() }
    }
    free(line)
    return kept.isEmpty ? "(nothing)" : kept.joined()
}
