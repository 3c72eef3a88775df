package blob

import (
	"bytes"
	_ "crypto/sha256" // registered for go-digest
	_ "crypto/sha512" // registered for go-digest
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"slices"

	"github.com/opencontainers/go-digest"
)

// hashBlock is how much is hashed at a time: small enough that the second
// pass over the same bytes finds them in the processor's cache.
const hashBlock = 64 << 10

// Digester hashes content as it is written and sums every piece of it. Its
// state can be saved and restored, so that an upload goes on where it was cut,
// in another process too. It is not safe for concurrent use.
type Digester struct {
	hashes []algorithmHash
	size   int64
	sums   []byte // of the whole pieces so far
	sum    uint32 // of the last, partial piece
}

type algorithmHash struct {
	algorithm digest.Algorithm
	hash.Hash
}

// NewDigester hashes with the algorithms given, which are digest.SHA256,
// digest.SHA512 or both. None is SHA-256.
func NewDigester(algorithms ...digest.Algorithm) (*Digester, error) {
	if len(algorithms) == 0 {
		algorithms = []digest.Algorithm{digest.SHA256}
	}
	d := new(Digester)
	for _, a := range algorithms {
		if err := d.add(a); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Digester) add(a digest.Algorithm) error {
	if a != digest.SHA256 && a != digest.SHA512 {
		return fmt.Errorf("digest algorithm %q: %w", a, digest.ErrDigestUnsupported)
	}
	if d.hash(a) != nil {
		return fmt.Errorf("digest algorithm %q is named twice", a)
	}
	d.hashes = append(d.hashes, algorithmHash{a, a.Hash()})
	return nil
}

func (d *Digester) hash(a digest.Algorithm) hash.Hash {
	for _, h := range d.hashes {
		if h.algorithm == a {
			return h.Hash
		}
	}
	return nil
}

// Write adds content. It never fails.
func (d *Digester) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		left := PieceSize - int(d.size%PieceSize)
		block := p[:min(len(p), left, hashBlock)]
		for _, h := range d.hashes {
			h.Write(block)
		}
		d.sum = crc32.Update(d.sum, castagnoli, block)
		d.size += int64(len(block))
		if len(block) == left {
			d.sums = binary.BigEndian.AppendUint32(d.sums, d.sum)
			d.sum = 0
		}
		p = p[len(block):]
	}
	return written, nil
}

// Size is the number of bytes written so far.
func (d *Digester) Size() int64 { return d.size }

// Digest is the digest of what has been written so far. It fails if the
// content was not hashed with the algorithm.
func (d *Digester) Digest(a digest.Algorithm) (digest.Digest, error) {
	h := d.hash(a)
	if h == nil {
		return "", fmt.Errorf("content was not hashed with %q: %w", a, digest.ErrDigestUnsupported)
	}
	return digest.NewDigest(a, h), nil
}

// Sums is the checksums of the pieces written so far, the last and partial one
// included: 4 bytes each, big-endian.
func (d *Digester) Sums() []byte {
	sums := slices.Clone(d.sums)
	if d.size%PieceSize > 0 {
		sums = binary.BigEndian.AppendUint32(sums, d.sum)
	}
	return sums
}

// A saved state is, big-endian: a version, the size, the sum of the partial
// piece, the number of hashes and for each its name and state with their
// lengths in one byte, the sums of the whole pieces, and a CRC-32C of it all.
const (
	stateVersion = 1
	stateHeader  = 1 + 8 + 4 + 1
	stateTrailer = 4
)

// State is what RestoreDigester needs to go on. It grows by 4 bytes for every
// MiB of content.
func (d *Digester) State() ([]byte, error) {
	b := make([]byte, 0, 512+len(d.sums))
	b = append(b, stateVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(d.size))
	b = binary.BigEndian.AppendUint32(b, d.sum)
	b = append(b, byte(len(d.hashes)))
	for _, h := range d.hashes {
		state, err := h.Hash.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("save state of %s: %w", h.algorithm, err)
		}
		b = appendField(appendField(b, []byte(h.algorithm)), state)
	}
	b = append(b, d.sums...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

func appendField(b, field []byte) []byte {
	return append(append(b, byte(len(field))), field...)
}

var errState = errors.New("damaged state")

// RestoreDigester goes on from a saved state. A state that was damaged is an
// error.
func RestoreDigester(state []byte) (*Digester, error) {
	d, err := restore(state)
	if err != nil {
		return nil, fmt.Errorf("restore digester: %w", err)
	}
	return d, nil
}

func restore(state []byte) (*Digester, error) {
	if len(state) < stateHeader+stateTrailer || state[0] != stateVersion {
		return nil, errState
	}
	body, trailer := state[:len(state)-stateTrailer], state[len(state)-stateTrailer:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(trailer) {
		return nil, errState
	}
	d := &Digester{
		size: int64(binary.BigEndian.Uint64(body[1:])),
		sum:  binary.BigEndian.Uint32(body[9:]),
	}
	rest := body[stateHeader:]
	for range body[stateHeader-1] {
		var err error
		if rest, err = d.restoreHash(rest); err != nil {
			return nil, err
		}
	}
	if d.size < 0 || len(d.hashes) == 0 || int64(len(rest)) != d.size/PieceSize*sumSize {
		return nil, errState
	}
	d.sums = bytes.Clone(rest)
	return d, nil
}

// restoreHash takes one hash off the front of a state.
func (d *Digester) restoreHash(b []byte) (rest []byte, err error) {
	name, b, ok := cutField(b)
	if !ok {
		return nil, errState
	}
	state, b, ok := cutField(b)
	if !ok {
		return nil, errState
	}
	a := digest.Algorithm(name)
	if err := d.add(a); err != nil {
		return nil, err
	}
	if err := d.hash(a).(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		return nil, fmt.Errorf("%w: %w", errState, err)
	}
	return b, nil
}

func cutField(b []byte) (field, rest []byte, ok bool) {
	if len(b) == 0 || len(b)-1 < int(b[0]) {
		return nil, nil, false
	}
	n := 1 + int(b[0])
	return b[1:n], b[n:], true
}
