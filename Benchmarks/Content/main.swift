import Apus
import ApusContent
import CApusBrotli
import CApusZlib
import CApusZstd
import Glibc

// What decoding costs beside the bare library: CPU time for each MiB of content, and the ratio.
// `Benchmarks/micro` runs it, with the path of the content encoded by python's brotli.

private let pieceSize = 16 * 1024
private let bufferSize = 64 * 1024

/// The CPU time of this thread.
private func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// The same content as the script makes for brotli: records of JSON with changing numbers.
private func content(_ count: Int) -> Bytes {
    var text: [UInt8] = []
    text.reserveCapacity(count + 200)
    var number: UInt32 = 1
    while text.count < count {
        number = number &* 1_664_525 &+ 1_013_904_223
        text += Array(
            #"{"id":\#(number),"type":"content_block_delta","text":"word \#(number % 977)"}"#.utf8)
        text.append(0x0A)
    }
    return Bytes(Array(text[..<count]))
}

private func pieces(of bytes: Bytes) -> [Bytes] {
    stride(from: 0, to: bytes.count, by: pieceSize).map {
        bytes.slice($0..<min(bytes.count, $0 + pieceSize))
    }
}

/// Calls the library with each piece and one buffer, and counts its output.
private func withBare(
    _ pieces: [Bytes],
    _ call: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) -> (Int, Int)
) -> Int {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 16)
    defer { buffer.deallocate() }
    var total = 0
    for piece in pieces {
        piece.withSpan { span in
            span.withUnsafeBytes { source in
                var rest = source
                while true {
                    let (taken, made) = call(rest, buffer)
                    total += made
                    rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
                    if made < buffer.count, rest.isEmpty { break }
                    if made == 0, taken == 0 { break }
                }
            }
        }
    }
    return total
}

private func bareZlib(_ pieces: [Bytes], windowBits: Int32) -> Int {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer {
        inflateEnd(stream)
        stream.deallocate()
    }
    inflateInit2_(stream, windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    return withBare(pieces) { source, target in
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: source.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(source.count)
        stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(target.count)
        inflate(stream, Z_NO_FLUSH)
        return (
            source.count - Int(stream.pointee.avail_in),
            target.count - Int(stream.pointee.avail_out)
        )
    }
}

private func bareBrotli(_ pieces: [Bytes]) -> Int {
    let decoder = BrotliDecoderCreateInstance(nil, nil, nil)
    defer { BrotliDecoderDestroyInstance(decoder) }
    return withBare(pieces) { source, target in
        var (availableIn, availableOut) = (source.count, target.count)
        var nextIn = source.baseAddress?.assumingMemoryBound(to: UInt8.self)
        var nextOut = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
        _ = BrotliDecoderDecompressStream(
            decoder, &availableIn, &nextIn, &availableOut, &nextOut, nil)
        return (source.count - availableIn, target.count - availableOut)
    }
}

private func bareZstd(_ pieces: [Bytes]) -> Int {
    let context = ZSTD_createDCtx()
    defer { ZSTD_freeDCtx(context) }
    return withBare(pieces) { source, target in
        var input = ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: 0)
        var output = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
        ZSTD_decompressStream(context, &output, &input)
        return (input.pos, output.pos)
    }
}

private func decoded(_ pieces: [Bytes], _ coding: ContentCoding) throws -> Int {
    var decoder = try ContentDecoder([coding])
    var total = 0
    for piece in pieces {
        decoder.bytesReceived(piece)
        while let output = try decoder.nextOutput() { total += output.count }
    }
    decoder.contentEnded()
    while let output = try decoder.nextOutput() { total += output.count }
    return total
}

/// The best of so many rounds, by turns.
private func measure(_ coding: ContentCoding, _ encoded: Bytes, _ count: Int) throws {
    let pieces = pieces(of: encoded)
    var best = (bare: UInt64.max, ours: UInt64.max)
    for _ in 0..<9 {
        var start = nanoseconds()
        let bare =
            switch coding {
            case .gzip: bareZlib(pieces, windowBits: 31)
            case .deflate: bareZlib(pieces, windowBits: 15)
            case .brotli: bareBrotli(pieces)
            case .zstd: bareZstd(pieces)
            }
        best.bare = min(best.bare, nanoseconds() - start)
        start = nanoseconds()
        let ours = try decoded(pieces, coding)
        best.ours = min(best.ours, nanoseconds() - start)
        precondition(bare == count && ours == count, "\(coding): \(bare), \(ours) of \(count)")
    }
    let mebibytes = Double(count) / 1_048_576
    let each = [best.bare, best.ours].map { Int((Double($0) / mebibytes / 1000).rounded()) }
    let ratio = (Double(best.ours) / Double(best.bare) * 100).rounded() / 100
    print("| \(coding.rawValue) | \(each[0]) us | \(each[1]) us | \(ratio) |")
}

private func encoded(_ bytes: Bytes, _ coding: ContentCoding) throws -> Bytes {
    var encoder = try ContentEncoder(coding)
    encoder.bytesReceived(bytes)
    encoder.contentEnded()
    var result: [UInt8] = []
    while let piece = try encoder.nextOutput() { result += piece.array }
    return Bytes(result)
}

private func file(_ path: String) -> Bytes? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var result: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = fread(&part, 1, part.count, file)
        if count == 0 { return Bytes(result) }
        result += part[..<count]
    }
}

private let plain = content(16 * 1024 * 1024)
if CommandLine.arguments.count > 2, CommandLine.arguments[1] == "--write",
    let file = fopen(CommandLine.arguments[2], "w")
{
    _ = plain.array.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) }
    fclose(file)
    exit(0)
}
print("\n| coding | bare library, a MiB | decoded, a MiB | ratio |\n|---|---|---|---|")
for coding in [ContentCoding.gzip, .deflate, .zstd] {
    try measure(coding, encoded(plain, coding), plain.count)
}
if CommandLine.arguments.count > 1, let brotli = file(CommandLine.arguments[1]) {
    try measure(.brotli, brotli, plain.count)
}
