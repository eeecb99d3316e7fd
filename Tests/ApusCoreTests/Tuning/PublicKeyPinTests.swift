import ApusCore
import Testing

/// Reading and writing digests of public keys.
@Suite struct PublicKeyPinTests {
    private static let zeros = String(repeating: "A", count: 43)
    private static let counting = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

    @Test(arguments: [
        "sha256/\(counting)", "sha256//\(counting)", "sha256/\(counting.dropLast())",
        "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F",
    ])
    func readsBothForms(text: String) throws {
        let pin = try PublicKeyPin(parsing: text)
        #expect(pin == PublicKeyPin(digest: Array(0..<32)))
        #expect(pin.description == "sha256/\(Self.counting)")
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        for byte in UInt8.min...UInt8.max {
            let pin = try #require(
                PublicKeyPin(digest: (0..<32).map { byte &+ $0 &* 7 }))
            #expect(try PublicKeyPin(parsing: pin.description) == pin)
        }
    }

    @Test(arguments: [
        "", "sha256/", "sha1/\(zeros)=", "\(zeros)=", "sha256/\(zeros)A", "sha256/\(zeros)==",
        "sha256/\(zeros.dropLast())=", "sha256/\(zeros.dropLast())B=",
        "sha256/\(zeros.dropLast())-=",
        String(repeating: "0", count: 63), String(repeating: "0", count: 65),
        String(repeating: "g", count: 64), "é" + String(repeating: "0", count: 63),
    ])
    func refusesEverythingElse(text: String) {
        let error = #expect(throws: InvalidTuning.self) { try PublicKeyPin(parsing: text) }
        #expect(error?.field == "tls.pins")
    }

    @Test(arguments: [0, 31, 33]) func aDigestHasThirtyTwoBytes(count: Int) {
        #expect(PublicKeyPin(digest: [UInt8](repeating: 0, count: count)) == nil)
    }
}
