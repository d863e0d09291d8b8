//! What costs what, which call copies, and what was tried. Documentation only.
//!
//! # Which call copies
//!
//! | call | copies of the payload | allocations |
//! |---|---|---|
//! | `next`, a message in one frame of at most 128 KiB | none: lent from where it was read | none into a warm buffer |
//! | `next`, a larger frame | the part that came with its header, at most one read buffer; the rest is read into place | the buffer of the message, kept while such messages come |
//! | `next`, fragments | one, into the buffer of the message | as above |
//! | `next`, up to 16 fragments of at most 2 KiB in all (4 KiB as client) that are all there | one of all but the first, in the read buffer | none |
//! | `feed`, `send` | one, into the output; a client masks while it copies | none into a warm queue |
//! | `send` from 4 KiB on, server | none of what the transport takes at once; the rest is queued | none, if it takes all |
//! | [`send_through`](crate::Endpoint::send_through), server | none of what is written at once | none |
//! | `send`, `send_through`, client, longer than 512 KiB | one, masked, in steps of 512 KiB | the step; if the transport does not take all, the rest |
//! | `feed` of the message that was put together of pieces, or a part of it, from 4 KiB and half of its buffer on, server | none: its buffer is shared with the queue | one for the count of references |
//! | `feed_owned` below 4 KiB | one | none |
//! | `feed_owned` from 4 KiB on, server | none: the payload is queued by reference count | none into a warm queue; one for text that was received with its buffer |
//! | `feed_owned` from 4 KiB on, client, of what nobody else holds, nor was received in a buffer that went with it | none: masked where it is | none into a warm queue; for text with spare capacity one for the count of references |
//! | `feed(&PreparedMessage)`, server | one below 4 KiB, none above; no encoding | none |
//! | `into_owned`; `take_message`, `next_owned` and `Stream` of a small message | one, of the exact size | one |
//! | those three from 4 KiB and half of its buffer on | none: the buffer goes with it, and comes back when the message is dropped | one for the count of references; another where the connection has waited, and for what is unread behind it |
//!
//! # The hot path
//!
//! Nearly every frame on the wire is a whole message that breaks no rule. `frame::plain` knows the
//! bytes of such frames and nothing else; [`Endpoint::next`](crate::Endpoint::next) looks for one
//! first, unmasks it where it lies and lends it. A small message in a few fragments that are all
//! there is moved together over the headers between them and lent from there too, so that it needs
//! no state of a message under way and no buffer: 100 bytes in two fragments take 0.55 of the time
//! as client and 0.7 as server, 1 KiB in two 0.75 and 0.95 (`benches/peers`, decode with `--shapes
//! 100/50,1k/512`). `Endpoint::next` lends it in registers as a whole one, and payloads of up to
//! 128 bytes are unmasked while they are moved, in blocks that overlap: 20 to 100 bytes in two or
//! three take 0.55 of the time that they took through memory and with calls for moving, 1 KiB in
//! eight 0.6 as server (Zen 5).
//! Other fragments are put together in one loop, which took 64 KiB in fragments of
//! 128 bytes 0.28 of the time, and unmasked while they are copied: 1 MiB in fragments of 4 KiB
//! takes 0.7 of the time of two passes. Everything else (control frames, reserved bits, a header in
//! pieces, a reply that is due) takes the general path, which knows the rules; a test holds the
//! ways against each other over every beginning of a frame.
//!
//! Whether the short way is open is one comparison with the limit for the length of the message,
//! which the connection sets to 0 while something is under way or due. Every change of its state
//! ends with a call that sets it; debug builds check that none was forgotten.
//!
//! What made the difference, in instructions for each message of 0, 16, 125 and 1024 bytes as
//! server (`cargo bench --bench count`, under callgrind): 100/114/183/397 now, as client
//! 61/63/78/210. (Where the code comes to lie in a program makes as much as a third of difference
//! to a client's small messages on a Zen 4, with the same instructions: compare counts, or what
//! `benches/peers` links, the same functions in several orders.) While copying in still counted as
//! one for each byte, it was 276/397/572/1685 as server before the short way.
//!
//! - What a call gives, and what it is given by value, goes through memory if it is larger than two
//!   registers: stored in halves, loaded whole, which the processor cannot forward from store to
//!   load. That takes 5 to 15 ns, for a message that takes 3 to 6. So the short ways, of `next`,
//!   `poll`, `received`, `feed` and of [`Connection::receive`](crate::Connection::receive), are
//!   part of their callers, and what lends a message with them. The long ways are calls, and put
//!   what they find to a place of their own: in one place with theirs, what the short ways find
//!   would go through memory as well. Errors have no size there, or are known values. As a call,
//!   what is done for a small message took up to six times as long with `Connection` and an
//!   `Assembler`, up to three times through `Endpoint`. It is some 1,800 bytes of code where a
//!   message is received, and 700 where one is sent.
//! - Each role has code of its own: what a client receives is not masked, and code for both saves
//!   registers for masking where there is none.
//! - Where the next frame begins is stored before this one is unmasked: it is what the next call
//!   waits for.
//! - The payload is taken out of the bytes that the header was found in: their bounds are known.
//!   Out of the whole buffer it was checked twice, and a client's empty message took 1.15 times as
//!   long.
//! - Masking goes by blocks of 64, 32 and 16 bytes and ends with one block that overlaps those
//!   before it, instead of single bytes. From 512 bytes on the blocks begin at lines of the cache
//!   and are as wide as the processor has vectors: with AVX2 and AVX-512 `fearless_simd` finds that
//!   out at run time, without `unsafe` here; other processors have no others than all of their
//!   target. 16 KiB take 0.3 of the time that they take without it, 64 KiB and 1 MiB 0.75.
//! - A client masks while it copies into the output, by groups of 512 and 256 bytes: a `Vec` asks
//!   for its room at each piece that is appended, which took 16 KiB as long again as the masking,
//!   and the second-level cache would rather read much and then write much (512 instead of 256 at
//!   once: 0.88 for 64 and 256 KiB; 256 instead of 64 where fragments are unmasked: 0.94). From 1 KiB
//!   on the vectors are wide and the blocks aligned where they are written: 16 KiB take 0.73 of the
//!   time (0.94 at 1 KiB, 0.66 at 64 KiB) on a processor with AVX2 and vector units of 16 bytes. From
//!   4 KiB on, with AVX-512, as much is read before it is written as 24 of its 32 registers hold: on
//!   a Zen 5 4 KiB take 0.95 of the time, 16 and 64 KiB 0.86, 256 KiB 0.70. From
//!   256 bytes on blocks of 64 are appended where there is room for all of them, which the compiler
//!   is shown at each: that way there is no call for which registers would be saved (256 to 512
//!   bytes: 0.9 of the time on a Zen 4). Up to 255 bytes
//!   it appends one block of fixed size and writes the last bytes as another that overlaps it.
//!   (Both in a place apart, and appended from there, took twice the time: stored in halves again.)
//!   Each size of block is a function of its own, found by a table, which looks whether there is
//!   room for the most that it can need and otherwise asks for more and begins anew: so none of
//!   them calls anything, and none saves registers. 16, 125 and 200 bytes take 0.9 of the time.
//! - Headers are put together in a register and appended as 8 bytes, of which what is too much is
//!   cut off again.
//! - One comparison opens the short way to send as well: of what is queued with a limit that is 0
//!   where messages may have to be compressed, or the transport takes nothing. How much is queued
//!   is one subtraction, whether or not large payloads are among it. Each looked at by itself took
//!   95 instructions instead of 82 for an empty message of a server.
//! - Text of less than 64 bytes is looked at by words first, and if it is ASCII, the crate `ascii`
//!   makes a `str` of it: the standard library, to which `simdutf8` leaves it, goes byte by byte
//!   through what is not aligned, as payloads seldom are. A text of 16 bytes takes 0.6 of the time
//!   so. (From 64 bytes on `simdutf8` is faster.)
//! - Other text of less than 64 bytes is copied to 64 bytes of the read buffer that nobody needs:
//!   what is before it has been used, or there is room behind it, if it is the first there and
//!   nothing follows. With zeros behind it, it is checked there, and lent from there. The standard
//!   library guesses wrongly at nearly each character of a text that mixes them, and takes 30 ns
//!   for 16 bytes and 230 for 63; `simdutf8` takes 6 for 64. Messages of 16, 40 and 63 bytes of
//!   such text take 0.3, 0.2 and 0.1 of the time (`benches/peers`, decode with `--shapes
//!   16,40,63`). Up to 7 bytes the standard library is faster.
//! - A server's text of 64 to 1,023 bytes is unmasked by vectors of 32 bytes, the same that it is
//!   checked in next, if the processor has them (with std). What is loaded whole but was stored in
//!   parts waits until all of them have left for the cache, and what every x86 has stores 16 bytes.
//!   Before it zeros are written, in place of what has been used, or behind it, if nothing was read
//!   there, so that it ends with a block: of a part of one `simdutf8` makes a copy, by a call, and
//!   loads that whole as well. 125 bytes of ASCII take 0.57 of the time, 125 bytes of
//!   other text 0.49, 512 bytes 1.0 and 0.89 (Zen 5; `benches/peers`, decode with `--shapes
//!   65,125,200,300,512`). Each message takes 8 instructions more for the question, binary and short
//!   ones 1.05 of the time. A client's text, which is not stored before it is checked, gains nothing
//!   by zeros.
//! - Payloads are copied in pieces of 2 KiB where source and destination lie a few bytes apart
//!   within their pages: what the C library has for longer copies takes 26 times as long there on
//!   some processors. Anywhere else it is used: it does not read first what it writes over, which
//!   takes a client 0.9 of the time for 1 MiB in fragments of 4 KiB where not all fits in the
//!   second-level cache (Emerald Rapids). ASCII that is not masked is checked and then copied so:
//!   0.8.
//! - A read that only adds to a frame which waits for its end costs no call: `next` is two
//!   comparisons then, and so is asking for room: how much of the room lent last is free is known,
//!   wherever it is. 1 KiB in reads of 7 bytes took 0.83 of the time so, 64 KiB in reads of 1,460
//!   0.9 and another 0.88. That something has come is noted when somebody asks for a deadline, and
//!   not at each read: 0.88 of the instructions once more.
//! - What such a loop seldom does is laid out of its way, or the compiler jumps over it each time.
//!   Branches that are taken count for more than instructions there: 1 KiB in reads of 7 bytes
//!   takes 0.92 of the time with 0.98 to 1.03 of the instructions.
//! - What `next` asks first, whether a frame waits, is asked by itself. Together with what else has
//!   to hold then it was ten instructions more for every message.
//!
//! # Reading
//!
//! A read takes 16.5 KiB: unmasking and checking are twice as fast in the first-level cache as in
//! the second. A message in one frame waits in the read buffer until it is whole, so that many
//! small reads cost little; the buffer grows for that, up to 128 KiB and a header, by doubling when
//! it is full, so that memory follows what has come and never what a header announces. While a
//! frame waits, the room that is lent ends where whole frames end that are as long: what comes of
//! another would have to be moved to the front of the buffer. Where that was done with each read,
//! frames of 6,000, 9,000 and 12,000 bytes took 1.15, 1.2 and 1.1 of the time. (Of those there is
//! room for a header more where everything that was there has been read: a read that fills its room
//! has to be followed by one that finds nothing. Without that an echo of 16 KiB took 1.08 of the
//! server's CPU.) Behind a message of 2 KiB or more each read ends so, and begins such that the
//! payload does at a line of the cache: 6,000, 9,000 and 12,000 B take 0.9, 0.85 and 0.8 of the
//! time once more, ASCII of 16 KiB 0.85 as client. (A client's binary messages begin there with the
//! header, because nothing reads their payload before it is lent: 2 KiB take 0.95 of the time, 64
//! to 128 KiB 0.93 to 1.0, on a Zen 4.) When more has come than is read at once, the next read has
//! room for as much: over a socket that is a system call less for each message. A longer frame is
//! read straight into its message, which grows in the same way, from 64 KiB on by half; a server
//! does so in steps of 256 KiB and unmasks each while it is in the second-level cache. (Steps of 32
//! KiB, in the first, are no faster in memory, and the calls that they take more make an echo of 1
//! MiB over a socket 1.15 times as long; 256 KiB instead of 128 take it 0.92 of the server's CPU on
//! an Emerald Rapids, 512 are no better.) Behind such a frame 5 KiB are read at first: another one
//! may follow, and what comes with its header has to be copied. What is read straight into a
//! message goes to a multiple of 64 bytes in memory, so the message begins up to 63 bytes behind
//! the front: reads to odd places, copies as they are, make 1 MiB take up to 1.2 times as long. The
//! message begins at such a place too if what was read with its header is a multiple as well, as it
//! is behind another one; and so does one that comes in the read buffer, if it is long and as long
//! as the one before (a client's binary one with its header). ASCII is checked in two thirds of the
//! time then: as client, 20,000 B take 0.75 to 0.95 of the time, 40,000 B 0.9, 64 KiB 0.92, 100,000
//! B and more 0.87 (Emerald Rapids; as server, where unmasking goes by lines anyhow, 0.98). Small
//! reads of a large frame wait too, as server until 8 KiB have come. Once 128 KiB of a message in
//! smaller frames have come, and as long as so much is there, 64 KiB are read at once. (That is for
//! sockets: 1 MiB in fragments of 4 KiB takes 0.7 of the time there. In memory reads of 16 KiB took
//! 0.8, where all but fits in the second-level cache.) Reads of a message in fragments end where
//! fragments end that are as long as the last one: 256 KiB in fragments of 4 KiB take 0.85 of the
//! time. All buffers together are at most twice what has come, with 4 KiB and one read more.
//!
//! Large messages come between small ones. A read buffer of more than 64 KiB, and one of up to 4
//! MiB in which a message was put together, stays until 64 reads had no use for it: of messages up
//! to 256 KiB, each doubling as often as the next, one that is binary or ASCII takes 0.7 to 0.8 of
//! the time that it took where the next large one had to make new ones, and up to 1 MiB 0.95
//! (`benches/peers`, decode with `--shapes ..256k,..1M`, Emerald Rapids; in a loop of its own,
//! where no other crate has the caches in between, 0.45 to 0.55 and 0.7 to 0.9). What is larger
//! than that goes with the next read.
//!
//! A large message that is taken goes with the buffer that it lies in, the read buffer too. What
//! is unread behind it is moved, and the next read goes to the buffer that was given away before, if
//! its message has been dropped: so a loop that takes one after the other uses one buffer, or two.
//! Copied out, and larger ones with a buffer that never came back, binary messages as `Stream` took
//! 1.1 to 1.8 times as long as server from 12 KiB to 1 MiB, and 1.2 to 2.0 times as client
//! (`benches/peers`, decode). An endpoint that waits, or for 64 reads has no use for it, leaves the
//! buffer to who has the message. Text that goes so is a [`Text`](crate::Text) and no `String`, which
//! would have its memory for itself: as copies, ASCII took 1.2 to 1.5 times as long from 16 KiB on
//! (`benches/peers`, decode, the rows as `Stream`).
//!
//! A message that comes over several wake-ups stays where it is: the read buffer is given back in
//! between only if less than a sixteenth of it is in use, and then what waits takes its own size.
//! So the echo of 3,000 B in segments of 1,460 takes 0.45 of the time that moving them at each
//! wake-up took, of 20,000 B 0.7 (`cargo bench --bench round`), and a connection that waits holds
//! at most sixteen times what has come: a buffer for large messages that was lent goes back in the
//! same way.
//!
//! Text is checked once, when its message is complete: safe code gets a `str` in no other way, and
//! to check it while it comes as well would cost multi-byte text twice the time. The exception is
//! ASCII in fragments, of which the first has 4 KiB or more: characters of the crate `ascii` are a
//! `str` as they are, so it is checked while it is unmasked and put together (1 MiB in fragments of
//! 4 KiB takes 0.8 of the time, 0.9 as client). At the first byte that is none the buffer goes over
//! to bytes, and stays with them until it is given back. A connection fails
//! at the first bad byte all the same (RFC 6455 §8.1): when a read would block
//! ([`Endpoint::release`](crate::Endpoint::release), which the adapters call), before anything that
//! is not the next fragment, and at the end of the stream, what has come is checked. Only what
//! comes over several wake-ups is checked twice because of that, and over the blocking adapter,
//! which cannot know whether a read will block, the beginning of a frame that came in short reads:
//! where a read has brought 8 KiB or all that it had room for, or there have been four and the
//! stream can time out, what came is checked only after a tenth of a second, or a read that waits for
//! as long. Checked before each read, large texts took 1.2 to 1.9 times as long there, and still
//! take 2.0 to 2.4 times as long in reads of 1,460 bytes from what cannot time out (`benches/peers`,
//! decode).
//!
//! # Writing
//!
//! `feed` queues, `send` is `feed` and a flush, and the adapters' `next` flushes before it waits.
//! So the natural loop makes one write for all the messages of one read: system calls for each
//! message fall from above 1 to 0.13 with 16 messages under way, and that is worth more than all of
//! the above. (The `feed` of the tokio adapter takes 1 to 2 ns more than that of an endpoint, which
//! takes 3 to 8 for a small message; when it asked for room through what waits, it took 13 more:
//! `benches/peers`, encode.) Small frames and the headers of large ones are put together in one
//! buffer; a large payload that is given away is remembered with its place in it, so that queueing
//! one takes no more than counting a reference. A large payload that the caller keeps is written
//! from where it lies ([`Endpoint::send_through`](crate::Endpoint::send_through), and `send` of the
//! adapters), which takes 81 instructions instead of 299 to queue it by reference: where nothing
//! waits, its header is not even queued. A client masks more than 512 KiB in steps of as much, each
//! written while it is in the second-level cache: 1 MiB takes 0.4 of the time, over a socket 0.92,
//! 4 MiB 0.45 and 0.8, and need not be there twice. (In steps of 128 KiB a socket takes 1.15 times
//! as long for 256 KiB and 1 MiB: each write wakes up the receiver.) A large message that a server
//! sends back as it is leaves from the buffer that it was put together in: an echo of 1 MiB takes
//! 0.78 of the time with the copy. Output in one piece, which is nearly all of it, goes out by a
//! plain write. A deadline that is put off by what happens leaves the timer of tokio where it is:
//! the task wakes up once for nothing instead of setting it at each message, and where there can be
//! no deadline the clock is not asked. (In the blocking adapter, which asked three times for each
//! read, and asks once where it was split, 64 KiB in reads of 1,460 bytes take half the time in
//! memory so, 16 KiB in one 0.8 to 0.85.) A round that finds nothing to decode or to write asks for
//! neither: with one message it takes 0.65 of the time that it took, with sixteen 0.80 (`cargo
//! bench --bench round`). A reply is never left lying while the task waits for the peer; who uses
//! `feed` and then waits for something else flushes first.
//!
//! Behind a system call every instruction is a cold one, so what a wake-up does besides decoding
//! counts more than its time in memory tells: a round of one message takes 1,294 instructions with
//! tokio's own (`cargo bench --bench round`, under callgrind), each further one of 20 B 207. It was
//! 1,447 and 224, and with sixteen messages under way on each of 64 connections that took 1.08 of
//! the server's time, the kernel's included. So the usual case of each step looks at few things:
//! the read buffer is lent and read to as it is where nothing waits in it, output in one piece is
//! written without the machinery for more, and that the short way is open says that nothing is due.
//!
//! # Idle connections
//!
//! A [`Connection`](crate::Connection) is 296 bytes, an [`Endpoint`](crate::Endpoint) 512 with
//! every feature, neither with heap while nothing is under way: what only few connections need lies
//! in boxes that are made when it comes (the payload of a control frame in pieces, what compression
//! has to remember, large payloads in the queue). The adapters lend read buffers from thread to
//! connection: up to 8 read buffers (16.5 KiB, up to 128 KiB where longer frames come), 8 for
//! output and 2 of up to 4 MiB for large messages are kept by each thread; the opening handshake
//! reads into them too, and a connection that is dropped leaves its own to the next. The task of
//! the tokio loop in the README is under 1 KiB. Who drives endpoints lends them buffers in the same
//! way, out of one [`Buffers`](crate::endpoint::Buffers) for each loop. A round in which all
//! answers find room in them allocates nothing; without them it is a read buffer, and 1,000 bytes
//! for output. An output buffer of more than 64 KiB and 14 bytes is freed once it is written. A
//! buffer for large messages that is lent spares the system calls of a message that grows as it
//! comes, and new memory for each: on epoll an echo of 1 MiB takes 0.75 to 0.95 of the time with
//! one, and 10 calls instead of 17 as long as the steps were 128 KiB (6 now: `benches/peers`,
//! echo).
//!
//! # Tried, and of no use
//!
//! - Appending short payloads of a server as two overlapping blocks, instead of by `memcpy`: 1.2 to
//!   1.4 of the time. Those of a client by the widest vectors from 256 bytes on instead of 512: up
//!   to 1.3; 256 to 511 bytes as two blocks too: 1.2.
//! - Unmasking fragments of 4 KiB by as much at once as a client's payloads are masked by (24
//!   registers of AVX-512): 1.0 of the time, of 1 KiB 1.07, and where they are ASCII 1.15.
//! - Reading 32 KiB at once, instead of 64, of long messages in fragments of 4 KiB: in memory 0.9 to
//!   0.95 of the time on a Zen 5, over loopback 1.05 to 1.15 of the reader's CPU.
//! - Masking by a loop over 16 bytes that the compiler unrolls: more instructions than the blocks.
//! - Keeping the text that is put together as `String`, to spare the second check of a message in
//!   several pieces: the copy into it costs more than the check of ASCII does. Fragments that are
//!   unmasked where they are, checked, and appended to one: 1.15 of the time as server, ASCII or
//!   not; as client no less than with characters of `ascii`, and the same for multi-byte text.
//! - Reading large frames of ASCII to the read buffer, and copying, unmasking and checking them
//!   from there in one pass, instead of reading them to their place: 0.98 of the time as server,
//!   1.2 as client. It is the writing to memory outside of the cache that counts.
//! - Putting ASCII of more than 1 MiB in one frame together out of the read buffer in the same way, as
//!   server: 2 and 4 MiB take 0.8 of the time on an Emerald Rapids, whose third-level cache is slow,
//!   and 1.15 on a Zen 4, 8 MiB 1.35 (`benches/peers`, decode with `--shapes 2M,4M,8M --rows
//!   server/text/ASCII`).
//! - Reading long messages in fragments straight to their place, headers and all, and moving the
//!   fragments together there: 1 MiB in fragments of 4 KiB takes 0.9 of the time as client where that
//!   is more than fits in the second-level cache (Emerald Rapids), 256 KiB 1.1, in fragments of 16
//!   KiB up to 1.4; and ASCII has to be checked once more.
//! - Letting longer frames than 128 KiB wait in the read buffer: an echo of 250 KiB over a socket
//!   takes 1.13 of the time, of what is spared of copying in memory nothing is left there. (Up to
//!   128 KiB instead of 64 it took 0.84 for 70 KiB and 0.91 for 128, on a Zen 4 with 1 MiB of
//!   second-level cache: a read less, and the end of the message comes with its beginning. In
//!   memory 70 to 128 KiB take 0.9 of the time, in reads of 1,460 bytes 0.8: `benches/peers`, decode
//!   with `--shapes 70k,128k,100k@1460`.)
//! - Sending what is smaller than 4 KiB from where it lies: in memory it is faster from some 100 B
//!   on, but a vectored write to a socket takes 0.2 us longer than a plain one, as long as 4 KiB
//!   take to be copied.
//! - Sending a message of 16 KiB that came in one frame back from the read buffer, by reference
//!   count as larger ones: over a socket it was slower than the copy, which is in the first-level
//!   cache, in four of five pairs of runs.
//! - Keeping the header of `send_through` in a value beside the queue, to be written piece by
//!   piece: it is moved, in pieces again, and takes more instructions than the queue.
//! - Room for masked copies made by zeros that are overwritten: up to 1.7 of the time.
//! - Putting header and masked payload of a client's small frame together before they are appended:
//!   a check of the room less, and 1.3 of the time, because what was stored in pieces is loaded
//!   whole.
//! - Reading large frames in steps of 16 KiB: no faster, and more system calls.
//! - Leaving the vectors to the compiler's own vectorizer inside a function for AVX-512: it made of
//!   the loop over blocks one over words, four times as slow.
//! - `fearless_simd` 1.2 instead of 0.6: the same code for a front end that takes 5 s instead of 3,
//!   which everything here waits for: with it the crate took 1.4 of the time of `tungstenite` to
//!   build from cold, with 0.6 1.17 to 1.23, and 1.07 since masking is a crate of its own and cargo
//!   begins with it (`benches/peers/compile`).
//! - The levels of `fearless_simd` for SSE4.2 and for no vectors: what the compiler makes of words
//!   is as fast, and without them the crate's own code builds in 0.95 of the CPU time.
//! - Blocks of 32 bytes instead of 64 for masking: 0.85 of the time in the second-level cache, 1.3
//!   in the first.
//! - Drawing more at once from the operating system for masking keys: 10 ns for a key with 256
//!   bytes at once, 8 with 4 KiB. ChaCha with 12 rounds, seeded by it again and again, takes 1.4,
//!   with 20 rounds 2.2; with the erasing of keys that were used, a client's small frame takes half
//!   the time it took. The generator of `rand` has 12 rounds too; the best known attack is on 7.
//!   RFC 6455 §10.3 forbids those that are not cryptographic, and there is little left for them to
//!   save.
//! - Finding larger messages in fragments that are all there before they are put together: no less
//!   time from 4 KiB on as server, from 16 KiB on as client, and for nothing if not all is there.
//! - Reading 1 KiB behind a large message instead of 5: 0.96 of the time for 100,000 B as long as
//!   the buffer of the last one is there; but the adapters give that back in between, and then more
//!   has to be copied.
//! - Masking and writing a client's large message in steps of 64 to 256 KiB: 0.35 of the time in
//!   memory, and up to 1.15 over a socket. Copying it and masking the copy, 16 KiB at a time: 0.8.
//! - The `next` of the tokio adapter as a future written by hand, of which the short way is part of
//!   every loop that waits for it: 16 bytes take 0.8 of the time in a program with two such loops,
//!   where that of the `async fn` is a call, but in a program with one a round of one message takes
//!   1.12 times the instructions and one of sixteen 1.10.
//! - Noting what comes of a frame where a deadline is asked for, without that each poll sees it:
//!   four instructions less for each small read, but what no poll had seen counted as well.
//!
//! # Beside other crates
//!
//! `benches/peers/run` measures decoding, encoding, compression, echo servers and idle connections
//! beside eight other crates in one run, compares every output first, and draws the plots in the
//! README.
//!
//! What is said of time here without a command was measured once, with the code before the change
//! in turns: decoding and encoding by `benches/peers` with `--shapes`, or by a loop over an
//! [`Endpoint`](crate::Endpoint) or a socket that is not in the project.
