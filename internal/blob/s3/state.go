package s3

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
)

// state is what a writer needs to go on in another process.
type state struct {
	size   int64  // bytes, of all that was synced
	upload string // id of the multipart upload; "" if there is none
	parts  []part
	tail   tail
	old    []string // ids of tails that are not needed any more once this state is saved
}

// tail is what was synced and not sent as a part.
type tail struct {
	id   string // "" if there is none
	size int64
	sum  uint32 // CRC-32C
}

// tails are the ids of those that a writer has met.
type tails struct {
	live []string // that of the state it began with, and those it has made
	dead []string // no state that anybody goes on from needs them
}

// A saved state is a version, the fields in their order as variable-length
// integers and texts after their length, and a CRC-32C of it all. ETags that are
// MD5 sums have 16 bytes.
const stateVersion = 1

var errState = errors.New("damaged state")

func (s *state) marshal() []byte {
	b := []byte{stateVersion}
	b = binary.AppendUvarint(b, uint64(s.size))
	b = appendText(b, s.upload)
	b = binary.AppendUvarint(b, uint64(len(s.parts)))
	for _, p := range s.parts {
		b = binary.AppendUvarint(b, uint64(p.size))
		b = appendText(appendText(b, packETag(p.etag)), p.sum)
	}
	b = appendText(b, s.tail.id)
	b = binary.AppendUvarint(b, uint64(s.tail.size))
	b = binary.BigEndian.AppendUint32(b, s.tail.sum)
	b = binary.AppendUvarint(b, uint64(len(s.old)))
	for _, id := range s.old {
		b = appendText(b, id)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// packETag halves the usual ETag. One that looks packed already cannot be told
// apart, so the marks are a byte in front.
func packETag(etag string) string {
	if raw, err := hex.DecodeString(etag); err == nil && hex.EncodeToString(raw) == etag {
		return "x" + string(raw)
	}
	return "=" + etag
}

func unpackETag(s string) (string, bool) {
	switch {
	case s == "":
		return "", false
	case s[0] == 'x':
		return hex.EncodeToString([]byte(s[1:])), true
	}
	return s[1:], s[0] == '='
}

// unmarshal is the reverse of marshal.
func unmarshal(b []byte) (*state, error) {
	if len(b) < 5 || b[0] != stateVersion {
		return nil, errState
	}
	content, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(content, castagnoli) != sum {
		return nil, errState
	}
	r := fields{rest: content[1:]}
	s := &state{size: r.size(), upload: r.text()}
	stored := int64(0)
	for range r.count(maxParts) {
		p := part{size: r.size()}
		p.etag = r.etag()
		p.sum = r.text()
		s.parts = append(s.parts, p)
		stored += p.size
	}
	s.tail = tail{id: r.text(), size: r.size(), sum: r.uint32()}
	for range r.count(len(b)) {
		s.old = append(s.old, r.text())
	}
	if r.failed || len(r.rest) > 0 || stored+s.tail.size != s.size || (len(s.parts) > 0) != (s.upload != "") {
		return nil, errState
	}
	return s, nil
}

// fields reads the fields of a saved state. What it reads after a failure is
// nothing.
type fields struct {
	rest   []byte
	failed bool
}

func (f *fields) fail() {
	f.rest, f.failed = nil, true
}

// size reads a number of bytes, none of which is more than any store holds.
func (f *fields) size() int64 {
	v, n := binary.Uvarint(f.rest)
	if n <= 0 || v > 1<<50 {
		f.fail()
		return 0
	}
	f.rest = f.rest[n:]
	return int64(v)
}

func (f *fields) count(most int) int {
	n := f.size()
	if n > int64(most) {
		f.fail()
		return 0
	}
	return int(n)
}

func (f *fields) text() string {
	n := f.size()
	if n > int64(len(f.rest)) {
		f.fail()
		return ""
	}
	s := string(f.rest[:n])
	f.rest = f.rest[n:]
	return s
}

func (f *fields) etag() string {
	etag, ok := unpackETag(f.text())
	if !ok {
		f.fail()
	}
	return etag
}

func (f *fields) uint32() uint32 {
	if len(f.rest) < 4 {
		f.fail()
		return 0
	}
	v := binary.BigEndian.Uint32(f.rest)
	f.rest = f.rest[4:]
	return v
}
