package sqlmeta

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
)

// Algorithm bytes of stored digests. They are never renumbered.
const (
	algSHA256 byte = 1
	algSHA512 byte = 2
)

// packDigest is a digest as stored: the algorithm byte and the raw hash.
func packDigest(d digest.Digest) ([]byte, error) {
	alg, hash, _ := strings.Cut(string(d), ":")
	out := make([]byte, 1, 65)
	switch {
	case alg == "sha256" && len(hash) == 64:
		out[0] = algSHA256
	case alg == "sha512" && len(hash) == 128:
		out[0] = algSHA512
	default:
		return nil, fmt.Errorf("digest %q cannot be stored", d)
	}
	out, err := hex.AppendDecode(out, []byte(hash))
	if err != nil {
		return nil, fmt.Errorf("digest %q cannot be stored: %w", d, err)
	}
	return out, nil
}

// unpackDigest is the reverse; nil gives "".
func unpackDigest(b []byte) digest.Digest {
	switch {
	case len(b) == 33 && b[0] == algSHA256:
		return digest.Digest("sha256:" + hex.EncodeToString(b[1:]))
	case len(b) == 65 && b[0] == algSHA512:
		return digest.Digest("sha512:" + hex.EncodeToString(b[1:]))
	default:
		return ""
	}
}

// micros is a time as stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is the reverse.
func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// idMaker makes ids that grow with time and are never given twice by one
// process: microseconds since 2026, or one more than the last. Where other
// processes make ids too, a number that each has drawn follows in nodeBits:
// should two have drawn the same, the database refuses an id that both give in
// the same microsecond, and its transaction is run again.
type idMaker struct {
	last atomic.Int64
	bits int   // nodeBits, or 0 where no other process makes ids
	node int64 // less than 1<<bits
}

const (
	idEpoch  = 1767225600_000000 // 2026-01-01 in Unix microseconds
	nodeBits = 10                // ids last for 280 years
)

// share lets other processes make ids too.
func (m *idMaker) share() { m.bits, m.node = nodeBits, rand.Int64N(1<<nodeBits) }

func (m *idMaker) next(now time.Time) int64 {
	for {
		last := m.last.Load()
		id := max(now.UnixMicro()-idEpoch, last>>m.bits+1)<<m.bits | m.node
		if m.last.CompareAndSwap(last, id) {
			return id
		}
	}
}

// null is v, or NULL if it is the zero value.
func null[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}
