import ApusContent
import Testing

@Suite struct ContentCodingTests {
    @Test(arguments: [
        ("gzip", ContentCoding.gzip), ("x-gzip", .gzip), ("X-GZip", .gzip), ("deflate", .deflate),
        ("br", .brotli), ("BR", .brotli), ("zstd", .zstd),
    ])
    func aNameIsFoundInAnyCase(name: String, coding: ContentCoding) {
        #expect(ContentCoding(name: name) == coding)
    }

    @Test(arguments: ["", "brotli", "compress", "identity", "gzip2", "x-zstd", " gzip"])
    func anotherNameIsUnknown(name: String) {
        #expect(ContentCoding(name: name) == nil)
    }

    /// By default every trait is enabled; the order is that of `Accept-Encoding`.
    @Test func thisBuildHasEveryCoding() {
        #expect(ContentCoding.available.map(\.rawValue) == ["gzip", "deflate", "br", "zstd"])
    }
}
