import Foundation
import Testing

/// Nothing in the tree depends on, or speaks of, the machine it was written on.
@Suite struct HygieneTests {
    /// Joined here from parts, so that this file does not hold what it looks for.
    private static let machinePaths = ["/wo" + "rk/", "/fa" + "rm/", "/ro" + "ot/", "/tmp" + "/h-"]
    private static let registryHosts = [
        "pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".", "crates" + ".io",
        "proxy.golang" + ".org", "rubygems" + ".org", "artifact" + "ory", "jfrog" + ".io",
    ]

    private static let files = SourceTree.textFiles

    @Test func noFileHoldsAPathOfOneMachine() {
        #expect(!Self.files.isEmpty)
        for file in Self.files {
            for (index, line) in file.lines.enumerated() {
                for path in Self.machinePaths where isAbsolute(path, in: line) {
                    Issue.record("\(file.place(index)): the path \(path) of one machine")
                }
            }
        }
    }

    @Test func noFileNamesAPackageRegistry() {
        for file in Self.files {
            for (index, line) in file.lines.enumerated() {
                let lower = line.lowercased()
                for host in Self.registryHosts where lower.contains(host) {
                    Issue.record("\(file.place(index)): the host of a package registry: \(host)")
                }
            }
        }
    }

    /// Private keys come from `make certs` and are never committed.
    @Test func noFileHoldsAPrivateKey() {
        let mark = "-----BEGIN " + "PRIVATE KEY"
        let oldMark = "-----BEGIN " + "EC PRIVATE KEY"
        for file in Self.files {
            for (index, line) in file.lines.enumerated()
            where line.hasPrefix(mark) || line.hasPrefix(oldMark) {
                Issue.record("\(file.place(index)): a private key")
            }
        }
    }

    @Test func noScriptLacksItsExecutableBit() {
        for file in Self.files where file.lines.first?.hasPrefix("#!") == true {
            let path = SourceTree.root.appendingPathComponent(file.path).path
            if !FileManager.default.isExecutableFile(atPath: path) {
                Issue.record("\(file.place(0)): a script that cannot be executed")
            }
        }
    }

    /// Whether the path begins one, rather than being the middle of a longer or relative one.
    private func isAbsolute(_ path: String, in line: Substring) -> Bool {
        line.ranges(of: path).contains { range in
            guard range.lowerBound > line.startIndex else { return true }
            let before = line[line.index(before: range.lowerBound)]
            return !before.isLetter && !before.isNumber && !"._-/*".contains(before)
        }
    }
}
