import ApusCore
import ApusEngine
import ApusSocket
import Glibc
import Testing

/// The file of TLS secrets.
@Suite struct KeyLogFileTests {
    @Test func eachSecretIsALineOfItsOwnAfterWhatWasThere() throws {
        let path = "/tmp/apus-keys-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { unlink(path) }
        for lines in [["one", "two"], ["three"]] {
            let write = try KeyLogFile.open(path)
            for line in lines { write(line) }
        }
        let reader = try FileReader(path: path)
        let chunk = try #require(try reader.nextChunk())
        #expect(String(chunk) == "one\ntwo\nthree\n")
    }

    @Test func aFileThatCannotBeOpenedIsNamed() {
        let path = "/nowhere/at/all"
        let error = #expect(throws: TransportError.self) { _ = try KeyLogFile.open(path) }
        #expect(error?.kind == .resource(errno: ENOENT))
        #expect(error?.phase == .request)
        #expect(error?.message.hasPrefix("\(path): ") == true)
    }
}
