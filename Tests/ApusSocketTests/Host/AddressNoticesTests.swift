import ApusSocket
import Testing

/// What the system's notices say of addresses that were removed.
@Suite struct AddressNoticesTests {
    private static let deleted: UInt16 = 21
    private static let added: UInt16 = 20
    private static let ipv4: [UInt8] = [10, 77, 0, 1]
    private static let ipv6: [UInt8] = [0xFE, 0x80] + Array(repeating: 0, count: 13) + [1]

    private static func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number) { Array($0) }
    }

    private static func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
        let padding = [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
        return bytes(UInt16(4 + value.count)) + bytes(type) + value + padding
    }

    private static func message(
        _ attributes: [[UInt8]], type: UInt16 = deleted, family: UInt8 = 2, interface: UInt32 = 7
    ) -> [UInt8] {
        let body = [family, 32, 0, 0] + bytes(interface) + attributes.flatMap { $0 }
        return bytes(UInt32(16 + body.count)) + bytes(type) + bytes(UInt16(0))
            + bytes(UInt32(1)) + bytes(UInt32(2)) + body
    }

    struct Sample: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let datagram: [UInt8]
        let removed: [RemovedAddress]

        init(_ description: String, _ datagram: [UInt8], _ removed: [RemovedAddress] = []) {
            testDescription = description
            self.datagram = datagram
            self.removed = removed
        }
    }

    private static let gone = RemovedAddress(bytes: ipv4, interface: 7)
    private static let samples = [
        Sample("nothing", []),
        Sample("an address", message([attribute(1, ipv4), attribute(2, ipv4)]), [gone]),
        Sample(
            "with a label between", message([attribute(3, [108, 111, 0]), attribute(2, ipv4)]),
            [gone]),
        Sample(
            "a peer's address beside it",
            message([attribute(1, [10, 0, 0, 9]), attribute(2, ipv4)]), [gone]),
        Sample(
            "IPv6", message([attribute(1, ipv6)], family: 10, interface: 3),
            [RemovedAddress(bytes: ipv6, interface: 3)]),
        Sample("an address that was added", message([attribute(2, ipv4)], type: added)),
        Sample(
            "two messages, the first of another type",
            message([attribute(2, ipv4)], type: added) + message([attribute(2, ipv4)]), [gone]),
        Sample(
            "two messages", message([attribute(2, ipv4)]) + message([attribute(2, ipv4)]),
            [gone, gone]),
        Sample("another family", message([attribute(2, ipv4)], family: 28)),
        Sample("a length that is not the family's", message([attribute(2, ipv4)], family: 10)),
        Sample("no address", message([attribute(3, [1])])),
        Sample("an attribute of no length", message([[0, 0, 0, 0], attribute(2, ipv4)])),
        Sample("a message of no length", [UInt8](repeating: 0, count: 64)),
        Sample(
            "a message without a body",
            bytes(UInt32(16)) + bytes(deleted)
                + [UInt8](repeating: 0, count: 10) + message([attribute(2, ipv4)]), [gone]),
    ]

    @Test(arguments: samples)
    func removals(_ sample: Sample) {
        #expect(AddressNotices.removals(in: sample.datagram) == sample.removed)
    }

    @Test("cut short anywhere, a notice reports no more than whole messages", arguments: samples)
    func cutShort(_ sample: Sample) {
        for count in 0..<sample.datagram.count {
            let removed = AddressNotices.removals(in: Array(sample.datagram[..<count]))
            #expect(removed.count <= sample.removed.count)
            #expect(removed == Array(sample.removed.prefix(removed.count)))
        }
    }

    @Test("a socket's own address differs from others, a link-local one by its interface")
    func addresses() throws {
        let socket = try #require(SocketAddress(literal: "10.77.0.1", port: 80))
        #expect(Self.gone.isAddress(of: socket))
        #expect(RemovedAddress(bytes: Self.ipv4, interface: 1).isAddress(of: socket))
        #expect(!RemovedAddress(bytes: [10, 77, 0, 2], interface: 7).isAddress(of: socket))
        let linkLocal = try #require(SocketAddress(literal: "fe80::1%3", port: 80))
        #expect(RemovedAddress(bytes: Self.ipv6, interface: 3).isAddress(of: linkLocal))
        #expect(!RemovedAddress(bytes: Self.ipv6, interface: 4).isAddress(of: linkLocal))
        let path = try #require(SocketAddress(unixPath: "/a"))
        #expect(!Self.gone.isAddress(of: path))
    }

    @Test func anAddressIsLocalWhileTheSystemHasIt() throws {
        #expect(StreamSocket.isLocal(try #require(SocketAddress(literal: "127.0.0.1", port: 1))))
        // Of the block for documentation (RFC 5737).
        #expect(!StreamSocket.isLocal(try #require(SocketAddress(literal: "192.0.2.1", port: 1))))
    }
}
