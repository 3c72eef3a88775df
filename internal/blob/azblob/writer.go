package azblob

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc64"
	"io/fs"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	azure "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/orlop/orlop/internal/blob"
)

// inFlight is how many blocks of an object are sent at a time: one more than
// keeps the line busy while the next is filled.
const inFlight = 2

// writer appends to an object. Nothing is sent before a block is full.
type writer struct {
	store  *Store
	key    string
	blob   *blockblob.Client
	ctx    context.Context
	cancel context.CancelFunc

	blocks blockList // the last run is this writer's own
	buf    []byte    // of the block that is being filled
	full   int       // its size when it is full
	closed bool
	err    error // after which nothing goes

	sending sync.WaitGroup
	slots   chan struct{} // one taken by each block that is being sent
	mu      sync.Mutex
	failed  error // of a block that was sent; guarded by mu
}

var _ blob.Writer = (*writer)(nil)

func (s *Store) newWriter(ctx context.Context, key string, blocks blockList) *writer {
	w := &writer{store: s, key: key, blob: s.blob(key), slots: make(chan struct{}, inFlight)}
	w.ctx, w.cancel = context.WithCancel(ctx)
	var own run
	rand.Read(own.writer[:])
	w.blocks = append(blocks, own)
	return w
}

// Create implements blob.Store. It makes no request: that the key has been used
// is found at Commit.
func (s *Store) Create(ctx context.Context, key string) (blob.Writer, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	return s.newWriter(ctx, key, nil), nil
}

// Append implements blob.Store. It checks that the blocks of the state are all
// there.
func (s *Store) Append(ctx context.Context, key string, offset int64, state []byte) (blob.Writer, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	blocks, err := s.staged(ctx, key, state)
	if err == nil && blocks.size() != offset {
		err = blob.ErrShort
	}
	if err != nil {
		return nil, fmt.Errorf("append to object %s: %w", key, err)
	}
	return s.newWriter(ctx, key, blocks), nil
}

// staged is the blocks of a state, which are found to be there.
func (s *Store) staged(ctx context.Context, key string, state []byte) (blockList, error) {
	if len(state) == 0 {
		return nil, blob.ErrNotFound // nothing has been synced
	}
	blocks, err := parseState(state)
	if err != nil || blocks.count() == 0 {
		return blocks, err
	}
	sizes, err := s.uncommitted(ctx, key)
	if err != nil {
		return nil, err
	}
	if len(sizes) == 0 { // another has committed the object
		return nil, blob.ErrNotFound
	}
	if err := blocks.checkStaged(sizes); err != nil {
		return nil, fmt.Errorf("%w: %w", blob.ErrShort, err)
	}
	return blocks, nil
}

// uncommitted is the sizes of the blocks of a blob that no Commit has named, by
// their ids. ErrNotFound if there is no blob of that name, committed or not.
func (s *Store) uncommitted(ctx context.Context, key string) (map[string]int64, error) {
	list, err := s.blob(key).GetBlockList(s.short(ctx), blockblob.BlockListTypeUncommitted, nil)
	if err != nil {
		return nil, failure(ctx, err)
	}
	sizes := make(map[string]int64, len(list.UncommittedBlocks))
	for _, block := range list.UncommittedBlocks {
		if block.Name != nil && block.Size != nil {
			sizes[*block.Name] = *block.Size
		}
	}
	return sizes, nil
}

// Write implements blob.Writer.
func (w *writer) Write(p []byte) (n int, err error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	for n < len(p) {
		if len(w.buf) == 0 {
			w.full = w.store.buffers.size(w.blocks.size())
		}
		take := min(w.full-len(w.buf), len(p)-n)
		w.buf = append(w.store.buffers.grow(w.buf, len(w.buf)+take, w.full), p[n:n+take]...)
		n += take
		if len(w.buf) < w.full {
			continue
		}
		if err := w.stage(); err != nil {
			return n, w.fail("write", err)
		}
	}
	return n, nil
}

func (w *writer) usable() error {
	if w.err != nil {
		return w.err
	}
	if w.closed {
		return fs.ErrClosed
	}
	return w.ctx.Err()
}

func (w *writer) fail(what string, err error) error {
	w.err = fmt.Errorf("%s object %s: %w", what, w.key, err)
	return w.err
}

// stage sends the block that is being filled, as soon as fewer than inFlight
// others are under way.
func (w *writer) stage() error {
	w.slots <- struct{}{}
	if err := w.failure(); err != nil {
		<-w.slots
		return err
	}
	if w.blocks.count() == maxBlocks {
		<-w.slots
		return errTooManyBlocks
	}
	own, block := &w.blocks[len(w.blocks)-1], w.buf
	id := blockID(own.writer, own.blocks)
	own.blocks++
	own.bytes += int64(len(block))
	w.buf = nil
	w.sending.Go(func() {
		defer func() { <-w.slots }()
		err := w.send(id, block)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.failed == nil {
			w.failed = err
		}
	})
	return nil
}

func (w *writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// send stages a block and gives its buffer back.
func (w *writer) send(id string, block []byte) error {
	c := &content{bytes: block}
	body := streaming.NopCloser(bytes.NewReader(block))
	_, err := w.blob.StageBlock(c.with(w.store.sending(w.ctx, len(block))), id, body,
		&blockblob.StageBlockOptions{TransactionalValidation: checksum(block)})
	w.store.buffers.put(block, err == nil && c.free())
	return failure(w.ctx, err)
}

var crc64Azure = crc64.MakeTable(0x9A6C9329AC4BC9B5)

// checksum lets the service refuse content that has changed on the way.
func checksum(b []byte) azure.TransferValidationType {
	return azure.TransferValidationTypeCRC64(crc64.Checksum(b, crc64Azure))
}

// settle sends what there is and waits until all is there.
func (w *writer) settle() error {
	if len(w.buf) > 0 {
		if err := w.stage(); err != nil {
			return err
		}
	}
	w.sending.Wait()
	return w.failure()
}

// Sync implements blob.Writer. Blocks that are staged are durable, for a week.
func (w *writer) Sync() (state []byte, err error) {
	if err := w.usable(); err != nil {
		return nil, err
	}
	if err := w.settle(); err != nil {
		return nil, w.fail("sync", err)
	}
	return w.blocks.state(), nil
}

// Commit implements blob.Writer.
func (w *writer) Commit() error {
	if err := w.usable(); err != nil {
		return err
	}
	err := w.commit()
	if errors.Is(err, blob.ErrExists) && w.committed() {
		err = nil // by a try whose answer was lost
	}
	if err != nil {
		return w.fail("commit", err)
	}
	return w.Close()
}

func (w *writer) commit() error {
	if w.blocks.count() == 0 {
		return w.upload()
	}
	if err := w.settle(); err != nil {
		return err
	}
	_, err := w.blob.CommitBlockList(w.store.short(w.ctx), w.blocks.ids(),
		&blockblob.CommitBlockListOptions{AccessConditions: absent(), Metadata: w.mark()})
	return failure(w.ctx, err)
}

// upload stores an object of one block in one request.
func (w *writer) upload() error {
	c := &content{bytes: w.buf}
	body := streaming.NopCloser(bytes.NewReader(w.buf))
	_, err := w.blob.Upload(c.with(w.store.sending(w.ctx, len(w.buf))), body, &blockblob.UploadOptions{
		AccessConditions: absent(), Metadata: w.mark(), TransactionalValidation: checksum(w.buf),
	})
	w.store.buffers.put(w.buf, err == nil && c.free())
	w.buf = nil
	return failure(w.ctx, err)
}

// absent is the condition that there is no committed blob.
func absent() *azure.AccessConditions {
	anyBlob := azcore.ETagAny
	return &azure.AccessConditions{ModifiedAccessConditions: &azure.ModifiedAccessConditions{IfNoneMatch: &anyBlob}}
}

// writerMark names the metadata that says which writer has committed a blob. By
// it the store also tells committed blobs from others in a listing.
const writerMark = "orlopwriter"

func (w *writer) mark() map[string]*string {
	id := hex.EncodeToString(w.blocks[len(w.blocks)-1].writer[:])
	return map[string]*string{writerMark: &id}
}

// committed tells whether this writer has committed the blob.
func (w *writer) committed() bool {
	properties, err := w.blob.GetProperties(w.store.short(w.ctx), nil)
	return err == nil && marked(properties.Metadata) == *w.mark()[writerMark]
}

// marked is the writer that metadata name; the service may have changed the case
// of names.
func marked(metadata map[string]*string) string {
	for name, value := range metadata {
		if strings.EqualFold(name, writerMark) && value != nil {
			return *value
		}
	}
	return ""
}

// Close implements blob.Writer.
func (w *writer) Close() error {
	w.closed = true
	w.cancel()
	w.sending.Wait()
	if w.buf != nil {
		w.store.buffers.put(w.buf, true)
		w.buf = nil
	}
	return nil
}
