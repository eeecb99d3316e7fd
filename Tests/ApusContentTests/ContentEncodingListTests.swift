import Apus
import ApusContent
import Testing

@Suite struct ContentEncodingListTests {
    /// `x-gzip` and repeated fields among them (RFC 9110, sections 5.3 and 8.4.1.3).
    @Test(
        "R23: the list of codings is read from every field",
        arguments: [
            ([], [], []), (["gzip"], ["gzip"], [.gzip]), (["GZip "], ["gzip"], [.gzip]),
            (["x-gzip"], ["x-gzip"], [.gzip]), (["identity"], [], []), ([""], [], []),
            (["br, gzip"], ["br", "gzip"], [.brotli, .gzip]),
            (["br", "gzip"], ["br", "gzip"], [.brotli, .gzip]),
            (["br", "identity, gzip"], ["br", "gzip"], [.brotli, .gzip]),
            ([" ,br,\t,gzip,"], ["br", "gzip"], [.brotli, .gzip]),
            (["deflate,zstd"], ["deflate", "zstd"], [.deflate, .zstd]),
        ] as [([String], [String], [ContentCoding])])
    func theListIsReadFromEveryField(
        values: [String], names: [String], codings: [ContentCoding]
    ) {
        let list = Self.list(values)
        #expect(list.names == names)
        #expect(list.codings == codings)
    }

    @Test(arguments: [["foo"], ["gzip, foo"], ["foo", "br"], ["gzip;q=1"], ["\"gzip\""]])
    func anUnknownNameMakesTheListUnknown(values: [String]) {
        #expect(Self.list(values).codings == nil)
    }

    private static func list(_ values: [String]) -> ContentEncodingList {
        var fields = HTTPFields()
        for value in values { fields.append(HTTPField(name: .contentEncoding, value: value)) }
        return ContentEncodingList(fields)
    }
}
