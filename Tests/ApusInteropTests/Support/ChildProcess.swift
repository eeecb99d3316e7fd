import Foundation
import Glibc
import Loopback

/// A program started by a test: known by its process id, ended or waited for by it.
struct ChildProcess: Sendable {
    let id: pid_t

    /// What could not be done, and the system's reason.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Starts a program, with nothing but a search path in its environment, and what a sanitizer
    /// that is in the tool as well must be reported.
    ///
    /// - Parameters:
    ///   - input: the descriptor that becomes its standard input; without one it reads no bytes.
    ///   - output: the file that its standard output goes to.
    ///   - errors: the file that its standard error goes to; the same as `output` when left out.
    init(
        _ program: String, _ arguments: [String], input: Int32? = nil, output: String,
        errors: String? = nil
    ) throws(Failure) {
        let words = ([program] + arguments).map { strdup($0) } + [nil]
        let path = "PATH=" + Programs.searchPath.joined(separator: ":")
        let variables: [String] = [path] + Self.sanitizerOptions
        let environment = variables.map { strdup($0) } + [nil]
        defer { for text in words + environment { free(text) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        let writing = O_WRONLY | O_CREAT | O_TRUNC
        posix_spawn_file_actions_addopen(&actions, 1, output, writing, 0o600)
        if let errors {
            posix_spawn_file_actions_addopen(&actions, 2, errors, writing, 0o600)
        } else {
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
        }
        // A group of its own: an interrupt at the terminal reaches the tests alone, which then
        // end what they started.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        var id = pid_t()
        let code = posix_spawn(&id, program, &actions, &attributes, words, environment)
        guard code == 0 else {
            throw Failure(description: "\(program): \(String(cString: strerror(code)))")
        }
        self.id = id
    }

    private static let sanitizerOptions: [String] = {
        let names: [String] = ["TSAN_OPTIONS", "ASAN_OPTIONS", "LSAN_OPTIONS"]
        return names.compactMap { name in
            getenv(name).map { "\(name)=\(String(cString: $0))" }
        }
    }()

    /// Waits until it has ended, on a thread of its own, since Swift's pool has few; called once.
    ///
    /// - Returns: the exit code, or 128 and the signal's number.
    func waitForEnd() async -> Int32 {
        await offThePool { waitBlocking() }
    }

    /// The same where nothing can be awaited.
    func waitBlocking() -> Int32 {
        var status: Int32 = 0
        var result: pid_t
        repeat { result = waitpid(id, &status, 0) } while result < 0 && errno == EINTR
        let signal = status & 0x7F
        return signal == 0 ? status >> 8 & 0xFF : 128 + signal
    }
}

/// Does what blocks on a thread of its own: Swift's pool has few, and every test needs them.
func offThePool<Outcome: Sendable>(_ body: @escaping @Sendable () -> Outcome) async -> Outcome {
    await withCheckedContinuation { continuation in
        Thread.detachNewThread { continuation.resume(returning: body()) }
    }
}

/// Where programs are found.
enum Programs {
    /// Debian keeps servers where a user's own search path does not look.
    static let searchPath =
        ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin"] + [ownPrograms]

    /// Where `.ci/install` puts what no package has.
    private static let ownPrograms = FixturePaths.root + "/../.build/programs/bin"

    /// The path of a program that `.ci/install` put there.
    static func own(_ name: String) -> String? {
        let path = "\(ownPrograms)/\(name)"
        return access(path, X_OK) == 0 ? path : nil
    }

    /// The path of an installed program.
    static func path(_ name: String) -> String? {
        searchPath.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// The tool `apus`, which the build leaves beside the test bundle.
    static let apus: String? = {
        let bundles = CommandLine.arguments.filter { $0.contains(".xctest") } + ["/proc/self/exe"]
        return bundles.lazy.compactMap { bundle -> String? in
            guard let path = realpath(bundle, nil) else { return nil }
            defer { free(path) }
            let folders = String(cString: path).split(separator: "/")
            // On Linux the bundle is one file; elsewhere it may be a folder of several levels.
            let root = folders.prefix { !$0.hasSuffix(".xctest") }
            let folder = root.count == folders.count ? folders.dropLast() : root
            let tool = "/" + folder.joined(separator: "/") + "/apus"
            return access(tool, X_OK) == 0 ? tool : nil
        }.first
    }()
}
