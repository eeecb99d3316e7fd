import ApusSocket
import Glibc
import Testing

/// A descriptor is closed once, when its last owner lets it go.
@Suite(.timeLimit(.minutes(5))) struct FileDescriptorTests {
    @Test func theOnlyOwnersEndClosesTheDescriptor() throws {
        let number = try highDescriptor()
        do {
            let descriptor = FileDescriptor(number)
            #expect(descriptor.number == number)
            #expect(isOpen(number))
        }
        #expect(!isOpen(number))
    }

    @Test func movingTheOwnershipClosesOnceAtTheLastOwnersEnd() throws {
        let number = try highDescriptor()
        let first = FileDescriptor(number)
        let second = first
        #expect(isOpen(number))
        end(second)
        #expect(!isOpen(number))
        // The next owner of the number keeps it: it is not closed a second time.
        try #require(dup2(0, number) == number)
        #expect(isOpen(number))
        close(number)
    }

    private func end(_ descriptor: consuming FileDescriptor) {
        #expect(isOpen(descriptor.number))
    }

    /// A number so high that no test beside this one is given it.
    private func highDescriptor() throws -> Int32 {
        let number = fcntl(0, F_DUPFD_CLOEXEC, Int32.random(in: 700..<1000))
        return try #require(number >= 0 ? number : nil)
    }
}
