import Foundation
import Testing

/// The first promise once more, in what was built: no object of the engine asks the environment.
///
/// `GlobalStateTests` reads the sources; this reads the names in the objects, as `strings` would.
@Suite struct EnvironmentTests {
    /// Every target that a program links with `Apus`.
    static let engine = [
        "CApusLinux", "ApusCore", "ApusHTTP1", "ApusHTTP2", "ApusTLS", "ApusPool", "ApusSocket",
        "ApusTunnel", "ApusWire", "ApusConnection", "ApusDial", "ApusEngine", "Apus",
        "ApusObservability",
    ]
    /// What reads or changes the environment; a name ends with a zero in a table of symbols.
    private static let names = ["getenv", "setenv", "putenv", "clearenv", "environ"]

    @Test(arguments: engine)
    func noObjectNamesTheEnvironment(target: String) throws {
        let objects = try Self.objects(of: target)
        try #require(!objects.isEmpty, "\(target) has objects beside the tests")
        for object in objects {
            let found = try Self.environmentNames(in: object)
            #expect(found.isEmpty, "\(object.lastPathComponent) names \(found)")
        }
    }

    /// The tool may look, and does: that is how we know that the search finds what is there.
    @Test func theSearchFindsWhatTheToolReads() throws {
        let found = try Self.objects(of: "apus_tool").flatMap(Self.environmentNames)
        #expect(found.contains("getenv"))
    }

    /// The objects of a target, beside the program that runs these tests.
    static func objects(of target: String) throws -> [URL] {
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let folder = URL(fileURLWithPath: program).deletingLastPathComponent()
            .appendingPathComponent("\(target).build")
        let walk = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
        return (walk?.allObjects ?? []).compactMap { $0 as? URL }.filter { $0.pathExtension == "o" }
    }

    private static func environmentNames(in object: URL) throws -> [String] {
        let data = try Data(contentsOf: object)
        return names.filter { name in
            data.range(of: Data(name.utf8) + [0]) != nil
        }
    }
}
