package files

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Kinds of compression.
const (
	Gzip = "gzip"
	Zstd = "zstd"
	None = "none"
)

// mediaTypes are those of a packed directory by its compression.
var mediaTypes = map[string]string{
	Gzip: ocispec.MediaTypeImageLayerGzip,
	Zstd: ocispec.MediaTypeImageLayerZstd,
	None: ocispec.MediaTypeImageLayer,
}

// codec compresses a stream by blocks. What a block becomes depends on its
// content and that of the one before only, so that the result is the same
// however many are compressed at once.
type codec interface {
	// size is that of all blocks but the last, in bytes.
	size() int
	// begin is what stands before the blocks.
	begin() []byte
	// block appends the compressed block to dst. before is how the block before
	// it ends. It is called concurrently.
	block(dst, raw, before []byte) []byte
	// Write is called with each block in order.
	io.Writer
	// end is what stands behind the blocks, after all have been written.
	end() []byte
}

func newCodec(compression string) (codec, error) {
	switch compression {
	case Gzip:
		return &gzipCodec{free: make(chan *flate.Writer, maxBlocks())}, nil
	case Zstd:
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(maxBlocks()), zstd.WithLowerEncoderMem(true),
			zstd.WithWindowSize(zstdCodec{}.size()))
		return zstdCodec{e}, err
	case None:
		return plainCodec{}, nil
	}
	return nil, fmt.Errorf("unknown compression %q: want %s, %s or %s", compression, Gzip, Zstd, None)
}

// maxBlocks is how many blocks are compressed at once: as many as there are
// CPUs, within what memory allows.
func maxBlocks() int { return min(runtime.GOMAXPROCS(0), 16) }

// gzipCodec makes one gzip member (RFC 1952) of one deflate stream, of which
// each block is a part that ends at a byte and refers back to the one before.
type gzipCodec struct {
	sum, length uint32
	free        chan *flate.Writer
}

const (
	// gzipLevel compresses about as well as level 6 of the standard library,
	// three times as fast.
	gzipLevel  = 6
	gzipWindow = 32 << 10
)

func (*gzipCodec) size() int     { return 512 << 10 }
func (*gzipCodec) begin() []byte { return []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255} }

func (c *gzipCodec) block(dst, raw, before []byte) []byte {
	w := c.writer()
	out := appender(dst)
	w.ResetDict(&out, before)
	w.Write(raw) // into memory: it cannot fail
	w.Flush()
	select {
	case c.free <- w:
	default:
	}
	return out
}

func (c *gzipCodec) writer() *flate.Writer {
	select {
	case w := <-c.free:
		return w
	default:
	}
	w, err := flate.NewWriter(nil, gzipLevel)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}

func (c *gzipCodec) Write(raw []byte) (int, error) {
	c.sum = crc32.Update(c.sum, crc32.IEEETable, raw)
	c.length += uint32(len(raw))
	return len(raw), nil
}

func (c *gzipCodec) end() []byte {
	last := []byte{1, 0, 0, 0xff, 0xff} // an empty stored block that ends the stream
	last = binary.LittleEndian.AppendUint32(last, c.sum)
	return binary.LittleEndian.AppendUint32(last, c.length)
}

// zstdCodec makes a frame of each block (RFC 8878, 3).
type zstdCodec struct{ *zstd.Encoder }

func (zstdCodec) size() int                         { return 1 << 20 }
func (zstdCodec) begin() []byte                     { return nil }
func (c zstdCodec) block(dst, raw, _ []byte) []byte { return c.EncodeAll(raw, dst) }
func (zstdCodec) Write(raw []byte) (int, error)     { return len(raw), nil }
func (zstdCodec) end() []byte                       { return nil }

// plainCodec compresses nothing.
type plainCodec struct{}

func (plainCodec) size() int                       { return bufferSize }
func (plainCodec) begin() []byte                   { return nil }
func (plainCodec) block(dst, raw, _ []byte) []byte { return append(dst, raw...) }
func (plainCodec) Write(raw []byte) (int, error)   { return len(raw), nil }
func (plainCodec) end() []byte                     { return nil }

// appender is memory that is written to.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}
