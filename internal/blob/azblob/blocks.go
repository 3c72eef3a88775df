package azblob

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// writerID names a writer among all that ever wrote to an object, by chance.
type writerID [8]byte

// run is the blocks that one writer has staged, numbered from 0.
type run struct {
	writer writerID
	blocks uint32
	bytes  int64
}

// blockList is the blocks of an object in order: those of one writer after the
// other.
type blockList []run

// maxBlocks is how many blocks a blob may have.
const maxBlocks = 50_000

var errTooManyBlocks = errors.New("the object has 50,000 blocks, and Azure takes no more: push it in larger chunks")

func (l blockList) size() (bytes int64) {
	for _, r := range l {
		bytes += r.bytes
	}
	return bytes
}

func (l blockList) count() (blocks int) {
	for _, r := range l {
		blocks += int(r.blocks)
	}
	return blocks
}

func (l blockList) ids() []string {
	ids := make([]string, 0, l.count())
	for _, r := range l {
		for i := range r.blocks {
			ids = append(ids, blockID(r.writer, i))
		}
	}
	return ids
}

// blockID is what the service calls a block. All ids of a blob are of the same
// length, which it requires.
func blockID(w writerID, number uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(w[:], number))
}

// A state is a version, and of each run the writer, and as varints the number of
// blocks and of bytes: about 13 bytes for a request of any length.
const stateVersion = 1

func (l blockList) state() []byte {
	b := []byte{stateVersion}
	for _, r := range l {
		b = append(b, r.writer[:]...)
		b = binary.AppendUvarint(b, uint64(r.blocks))
		b = binary.AppendUvarint(b, uint64(r.bytes))
	}
	return b
}

var errState = errors.New("damaged state of an upload")

// parseState is the reverse of state.
func parseState(state []byte) (blockList, error) {
	if len(state) == 0 || state[0] != stateVersion {
		return nil, errState
	}
	l := blockList{}
	for rest := state[1:]; len(rest) > 0; {
		var r run
		if len(rest) < len(r.writer) {
			return nil, errState
		}
		rest = rest[copy(r.writer[:], rest):]
		blocks, n := binary.Uvarint(rest)
		bytes, m := binary.Uvarint(rest[max(n, 0):])
		if n <= 0 || m <= 0 || blocks > maxBlocks || bytes > math.MaxInt64 {
			return nil, errState
		}
		rest = rest[n+m:]
		r.blocks, r.bytes = uint32(blocks), int64(bytes)
		l = append(l, r)
		if l.count() > maxBlocks || l.size() < 0 {
			return nil, errState
		}
	}
	return l, nil
}

// checkStaged checks that the blocks are all there, given the sizes of those
// that are.
func (l blockList) checkStaged(sizes map[string]int64) error {
	for _, r := range l {
		left := r.bytes
		for i := range r.blocks {
			size, ok := sizes[blockID(r.writer, i)]
			if !ok {
				return fmt.Errorf("block %d of %d is gone", i, r.blocks)
			}
			left -= size
		}
		if left != 0 {
			return fmt.Errorf("blocks differ by %d bytes from what was staged", left)
		}
	}
	return nil
}
