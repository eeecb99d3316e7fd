import Foundation
import Testing

/// A program that links the engine alone links none of the codecs.
///
/// An object names the libraries that it needs; `.ci/lean` looks at a program that was linked.
@Suite struct LinkageTests {
    private static let codecs = ["-lz", "-lbrotlidec", "-lbrotlienc", "-lzstd"]

    @Test("R23: no object of the engine needs a codec", arguments: EnvironmentTests.engine)
    func noObjectOfTheEngineNeedsACodec(target: String) throws {
        let objects = try EnvironmentTests.objects(of: target)
        try #require(!objects.isEmpty, "\(target) has objects beside the tests")
        for object in objects {
            let found = try Self.libraries(of: object)
            #expect(found.isEmpty, "\(object.lastPathComponent) needs \(found)")
        }
    }

    /// That is how we know that the search finds what is there.
    @Test func theSearchFindsWhatTheLayersNeed() throws {
        let found = try ["ApusZlib", "ApusContent"].flatMap(EnvironmentTests.objects(of:))
            .flatMap(Self.libraries(of:))
        #expect(Set(found) == ["-lz", "-lbrotlidec", "-lzstd"])
    }

    private static func libraries(of object: URL) throws -> [String] {
        let data = try Data(contentsOf: object)
        return codecs.filter { data.range(of: [0] + Data($0.utf8) + [0]) != nil }
    }
}
