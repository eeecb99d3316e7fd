import Testing

/// The state of a class or an actor of the transport is private to it: a reader of one file knows
/// every place that changes what the file holds.
///
/// The compiler does the rest: an extension in another file cannot write a private variable.
@Suite struct PrivateStateTests {
    private static let rooms = ["ApusWire", "ApusConnection", "ApusDial", "ApusEngine"]

    /// Files whose variables others may write, each with the reason.
    private static let exceptions = [
        "Sources/ApusConnection/Exchange/Exchange.swift":
            "stream and timers are the connection's that carries it, on its loop"
    ]

    @Test(arguments: rooms)
    func noOtherFileWritesTheStateOfAnObject(room: String) {
        let files = SourceTree.files(under: ["Sources/\(room)"], endings: ["swift"])
        #expect(!files.isEmpty)
        for file in files {
            let found = Self.openVariables(in: file.code)
            if Self.exceptions[file.path] == nil {
                for (index, name) in found {
                    Issue.record("\(file.place(index)): \(name) is not private, nor its setter")
                }
            } else if found.isEmpty {
                Issue.record("\(file.path):1: is no exception; its variables are private")
            }
        }
    }

    @Test func everyExceptionIsAFile() {
        for path in Self.exceptions.keys.sorted() where SourceFile(path: path) == nil {
            Issue.record("\(path): is an exception, but no file")
        }
    }

    @Test func theSearchFindsStoredVariablesOfObjectsAlone() {
        let file = SourceFile(
            path: "Example.swift",
            text: """
                package final class Pool {
                    struct Deeds {
                        var ofAValue = 0
                    }
                    final class Runner {
                        var nested = false
                    }
                    private final class Box {
                        var hidden: Int?
                    }
                    let lock = Lock()
                    private let ownLock = Lock()
                    var stored: [Int] = []
                    package internal(set) var counted = 0
                    weak var weakly: Pool?
                    var watched = 0 {
                        didSet { stored = [] }
                    }
                    var observed: Int? {
                        willSet { stored = [] }
                    }
                    var closure: () -> Int = { 0 }
                    package private(set) var readable = 0
                    fileprivate var ofTheFile = 0
                    var computed: Int { stored.count }
                    var throughABody: Int {
                        var local = 0
                        local += 1
                        return local
                    }
                    init() where Int: Sendable {
                        var local = 0
                        defer { local = 1 }
                    }
                }
                actor Loop {
                    nonisolated(unsafe) var open = 1
                    @exclusivity(unchecked) package var unwatched = 1
                    @exclusivity(unchecked) private var hidden = 1
                }
                protocol Owner: AnyObject {
                    var required: Int { get set }
                }
                """)
        #expect(
            Self.openVariables(in: file.code).map(\.name) == [
                "nested", "lock", "stored", "counted", "weakly", "watched", "observed",
                "closure", "open", "unwatched",
            ])
    }

    /// What a brace opens.
    private enum Scope {
        /// The body of a class or an actor.
        case object
        /// The same, which its file alone can name.
        case hiddenObject
        /// Any other type, or code.
        case other
    }

    /// The variables and locks of classes and actors that other files can write or take.
    private static func openVariables(in code: [String]) -> [(index: Int, name: Substring)] {
        let type = /^\s*([a-z@()\s]*)\b(class|actor|struct|enum|extension|protocol)\s+\w/
        var found: [(index: Int, name: Substring)] = []
        var scopes: [Scope] = []
        var declared = Scope.other
        for (index, line) in code.enumerated() {
            if let match = line.firstMatch(of: type) {
                let isHidden = match.1.contains("private") || scopes.contains(.hiddenObject)
                let isObject = match.2 == "class" || match.2 == "actor"
                declared = !isObject ? .other : isHidden ? .hiddenObject : .object
            } else if scopes.last == .object,
                let name = openVariable(line, before: code[(index + 1)...].first)
            {
                found.append((index, name))
            }
            for character in line {
                if character == "{" {
                    scopes.append(declared)
                    declared = .other
                } else if character == "}" {
                    scopes.removeLast()
                }
            }
        }
        return found
    }

    /// The name of the stored variable or the lock on this line, unless its setter is private.
    private static func openVariable(_ line: String, before next: String?) -> Substring? {
        let lock = /^\s*([a-z@()\s]*)\blet\s+(\w+)\b.*\bLock\(\)/
        if let match = line.firstMatch(of: lock) {
            return match.1.contains("private") ? nil : match.2
        }
        let variable = /^\s*([a-z@()\s]*)\bvar\s+(\w+)\b([^{]*)(\{?)/
        guard let match = line.firstMatch(of: variable), !match.1.contains("private") else {
            return nil
        }
        // A brace without a value before it is the body of a computed variable, or observes it.
        let isObserved = next?.contains(/\b(didSet|willSet)\b/) ?? false
        let isComputed = !match.4.isEmpty && !match.3.contains("=") && !isObserved
        return isComputed ? nil : match.2
    }
}
