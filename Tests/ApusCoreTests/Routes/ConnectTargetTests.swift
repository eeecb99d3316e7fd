import ApusCore
import Testing

/// Connect targets: equality by bytes, texts, and what is refused.
@Suite struct ConnectTargetTests {
    @Test func targetsAreEqualOnlyWhenTheirTextsHaveEqualBytes() {
        let all: [ConnectTarget] = [
            .address("::1", port: 1), .address("::1", port: 2), .address("127.0.0.1", port: 1),
            .unixSocket(path: "/\u{e9}"), .unixSocket(path: "/e\u{301}"),
        ]
        for (index, target) in all.enumerated() {
            #expect(all.indices.filter { all[$0] == target } == [index])
            #expect(target.hashValue == all[index].hashValue)
        }
    }

    @Test func aTargetWritesItself() {
        #expect("\(ConnectTarget.address("::1", port: 81))" == "[::1]:81")
        #expect("\(ConnectTarget.address("127.0.0.1", port: 81))" == "127.0.0.1:81")
        #expect("\(ConnectTarget.unixSocket(path: "/a"))" == "unix:/a")
    }

    @Test(arguments: [
        ConnectTarget.address("127.0.0.1", port: 1), .address("fe80::1%eth0", port: 65535),
        .unixSocket(path: "a"), .unixSocket(path: String(repeating: "a", count: 107)),
    ])
    func aUsableTargetPasses(target: ConnectTarget) throws {
        try target.check()
    }

    @Test(arguments: [
        ConnectTarget.address("localhost", port: 1), .address("", port: 1),
        .address("127.0.0.1", port: 0), .address("fe80::1%", port: 1),
        .address("fe80::1%a b", port: 1), .unixSocket(path: ""), .unixSocket(path: "a\0"),
        .unixSocket(path: String(repeating: "a", count: 108)),
    ])
    func anUnusableTargetIsRefusedWithoutItsText(target: ConnectTarget) {
        let error = #expect(throws: InvalidRequest.self) { try target.check() }
        #expect(error?.field == "connectTo")
    }
}
