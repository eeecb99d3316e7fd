#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The paths of the fixtures' files, relative to this source file.
package enum FixturePaths {
    /// The `Fixtures` folder.
    package static let root =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    /// The folder of the generated certificates.
    package static let certificates = root + "/certs"

    /// The chain and key with this name, as in `leaf`.
    package static func certificate(_ name: String) -> CertificateFiles {
        CertificateFiles(chain: pem(name), key: "\(certificates)/\(name).key")
    }

    /// The PEM file with this name, as in `ca`.
    package static func pem(_ name: String) -> String {
        "\(certificates)/\(name).pem"
    }

    /// Runs `certs/generate`, once in each process, unless nothing is missing or too old.
    ///
    /// Safe to call from several processes at once: the script locks, and replaces whole files.
    package static func ensureCertificates() throws {
        try generation.get()
    }

    private static let generation = Result<Void, LoopbackError> { () throws(LoopbackError) in
        let script = modified(certificates + "/generate")
        let made = modified(pem("leaf"))
        // The script checks in detail, which takes most of a second.
        if made > script && time(nil) - made < 300 * 86_400 { return }
        do throws(LoopbackError) {
            try run(certificates + "/generate")
        } catch {
            // Without an openssl program, earlier certificates are used.
            guard access(pem("leaf"), R_OK) == 0 else { throw error }
        }
    }

    /// When a file was last written, in seconds; 0 when there is none.
    private static func modified(_ path: String) -> Int {
        var facts = stat()
        return stat(path, &facts) == 0 ? facts.st_mtim.tv_sec : 0
    }

    /// Runs a program to its end, with only a search path in its environment.
    private static func run(_ program: String) throws(LoopbackError) {
        let arguments: [UnsafeMutablePointer<CChar>?] = [strdup(program), nil]
        let environment: [UnsafeMutablePointer<CChar>?] = [
            strdup("PATH=/usr/local/bin:/usr/bin:/bin"), nil,
        ]
        defer { for text in arguments + environment { free(text) } }
        // The script's output is not a part of a test's output.
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var process = pid_t()
        let code = posix_spawn(&process, program, &actions, nil, arguments, environment)
        guard code == 0 else {
            throw LoopbackError("\(program): \(String(cString: strerror(code)))")
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { throw LoopbackError.system("waitpid") }
        }
        guard status == 0 else { throw LoopbackError("\(program) failed with status \(status)") }
    }
}
