package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// crowd is workers who push, move tags, delete and upload in chunks, all at
// once, and keep the ledger.
type crowd struct {
	clients []*api // workers are shared out among them
	books   *ledger
	seed    int // nothing is pushed twice by crowds of different seeds
	// failed is told the error of a request, and says whether its worker goes on.
	failed func(error) bool
	// worked is called after each piece of work that went well, and says whether
	// its worker goes on; may be nil.
	worked func() bool
}

const crowdWorkers = 6

// work lets the workers work until failed says no or ctx ends, and waits for
// all of them.
func (c *crowd) work(ctx context.Context) {
	var wg sync.WaitGroup
	for worker := range crowdWorkers {
		wg.Go(func() {
			w := &crowdWorker{crowd: c, client: c.clients[worker%len(c.clients)], name: fmt.Sprintf("w%d", worker), repo: fmt.Sprintf("crowd/r%d", worker%2)}
			for n := c.seed * 100_000; ctx.Err() == nil; n++ {
				err := w.one(ctx, uint64(worker)<<32|uint64(n), n)
				if err != nil && !c.failed(err) {
					return
				}
				if err == nil && c.worked != nil && !c.worked() {
					return
				}
			}
		})
	}
	wg.Wait()
}

// workFor lets the crowd work until n requests more have been acknowledged.
func (c *crowd) workFor(t *testing.T, n int64) {
	t.Helper()
	enough := c.books.acked.Load() + n
	c.seed++
	c.worked = func() bool { return c.books.acked.Load() < enough }
	c.work(t.Context())
	c.worked = nil
}

// refusals makes a function for crowd.failed: the server may go away, which
// ends the worker, but not refuse.
func refusals(t *testing.T) func(error) bool {
	return func(err error) bool {
		if _, refused := errors.AsType[*statusError](err); refused {
			t.Error(err)
		}
		return false
	}
}

type crowdWorker struct {
	*crowd
	client     *api
	name, repo string
	last       pushed // what it has pushed last; none if tag is ""
}

type pushed struct {
	tag      string
	manifest digest.Digest
}

// one does one piece of work.
func (w *crowdWorker) one(ctx context.Context, seed uint64, n int) error {
	switch {
	case n%8 == 5 && w.last.tag != "":
		return w.deleteTag(ctx)
	case n%8 == 7 && w.last.tag != "":
		return w.deleteManifest(ctx)
	case n%8 == 6:
		return w.deleteBlob(ctx, random(seed, 700+n%3*20_000))
	case n%16 == 3:
		return w.leaveUpload(ctx, random(seed, 1<<20+n%5))
	default:
		return w.push(ctx, seed, n)
	}
}

// push pushes one artifact under a tag of its own or a tag that moves.
func (w *crowdWorker) push(ctx context.Context, seed uint64, n int) error {
	size := 600 + n%3*20_000 // in the database, and in files
	if n%7 == 3 {
		size = 2 << 20
	}
	layer, config := random(seed, size), []byte("{}")
	push := w.pushBlob
	if n%2 == 1 {
		push = w.pushChunks
	}
	if err := push(ctx, layer); err != nil {
		return err
	}
	if err := w.pushBlob(ctx, config); err != nil {
		return err
	}
	raw := manifestOf(config, layer)
	p := pushed{fmt.Sprintf("%s-%d", w.name, n), digest.FromBytes(raw)}
	if n%2 == 0 {
		p.tag = w.name + "-latest"
	}
	w.books.try(tagOf(w.repo, p.tag), p.manifest)
	w.books.try(manifestThing(w.repo, p.manifest), p.manifest)
	if err := w.client.pushManifest(ctx, w.repo, p.tag, raw); err != nil {
		return err
	}
	w.books.ack(tagOf(w.repo, p.tag), p.manifest)
	w.books.ack(manifestThing(w.repo, p.manifest), p.manifest)
	w.last = p
	return nil
}

func (w *crowdWorker) pushBlob(ctx context.Context, content []byte) error {
	dgst := digest.FromBytes(content)
	w.books.try(blobOf(w.repo, dgst), dgst)
	if err := w.client.pushBlob(ctx, w.repo, content); err != nil {
		return err
	}
	w.books.ack(blobOf(w.repo, dgst), dgst)
	return nil
}

// pushChunks pushes content by POST, two PATCHes and PUT.
func (w *crowdWorker) pushChunks(ctx context.Context, content []byte) error {
	p, err := w.client.begin(ctx, w.books, w.repo, content)
	if err != nil {
		return err
	}
	if err := w.client.send(ctx, w.books, p, 0, len(content)/2); err != nil {
		return err
	}
	return w.client.finish(ctx, w.books, p, len(content)/2)
}

// leaveUpload begins an upload that somebody else must end.
func (w *crowdWorker) leaveUpload(ctx context.Context, content []byte) error {
	p, err := w.client.begin(ctx, w.books, w.repo, content)
	for part := 0; part < 3 && err == nil; part++ {
		err = w.client.send(ctx, w.books, p, part*len(content)/4, (part+1)*len(content)/4)
	}
	return err
}

func (w *crowdWorker) deleteTag(ctx context.Context) error {
	tag := w.last.tag
	w.last = pushed{}
	w.books.try(tagOf(w.repo, tag), "")
	if err := w.client.remove(ctx, "/v2/"+w.repo+"/manifests/"+tag); err != nil {
		return err
	}
	w.books.ack(tagOf(w.repo, tag), "")
	return nil
}

// deleteManifest deletes what was pushed last, and with it its tag.
func (w *crowdWorker) deleteManifest(ctx context.Context) error {
	p := w.last
	w.last = pushed{}
	w.books.try(manifestThing(w.repo, p.manifest), "")
	w.books.try(tagOf(w.repo, p.tag), "")
	if err := w.client.remove(ctx, "/v2/"+w.repo+"/manifests/"+p.manifest.String()); err != nil {
		return err
	}
	w.books.ack(manifestThing(w.repo, p.manifest), "")
	w.books.ack(tagOf(w.repo, p.tag), "")
	return nil
}

// deleteBlob pushes a blob that no manifest names and deletes it.
func (w *crowdWorker) deleteBlob(ctx context.Context, content []byte) error {
	if err := w.pushBlob(ctx, content); err != nil {
		return err
	}
	dgst := digest.FromBytes(content)
	w.books.try(blobOf(w.repo, dgst), "")
	if err := w.client.remove(ctx, "/v2/"+w.repo+"/blobs/"+dgst.String()); err != nil {
		return err
	}
	w.books.ack(blobOf(w.repo, dgst), "")
	return nil
}

func manifestOf(config, layer []byte) []byte {
	raw, _ := json.Marshal(ocispec.Manifest{ // a plain struct: cannot fail
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: ocispec.Descriptor{MediaType: "application/vnd.unknown.config.v1+json", Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers: []ocispec.Descriptor{{MediaType: "application/octet-stream", Digest: digest.FromBytes(layer), Size: int64(len(layer))}},
	})
	return raw
}

// begin begins an upload of content.
func (a *api) begin(ctx context.Context, books *ledger, repo string, content []byte) (*partial, error) {
	ans, err := a.do(ctx, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", nil)
	if err == nil && ans.status != http.StatusAccepted {
		err = &statusError{"POST " + repo, ans}
	}
	if err != nil {
		return nil, err
	}
	p := &partial{repo: repo, location: ans.header.Get("Location"), content: content}
	books.begun(p)
	return p, nil
}

// send sends a part of an upload.
func (a *api) send(ctx context.Context, books *ledger, p *partial, from, to int) error {
	books.sending(p, to)
	ans, err := a.do(ctx, http.MethodPatch, p.location, bytes.NewReader(p.content[from:to]),
		"Content-Type", "application/octet-stream", "Content-Range", fmt.Sprintf("%d-%d", from, to-1))
	if err == nil && ans.status != http.StatusAccepted {
		books.refused(p)
		err = &statusError{"PATCH " + p.location, ans}
	}
	if err != nil {
		return err
	}
	books.sent(p, to)
	return nil
}

// finish sends the rest of an upload and ends it.
func (a *api) finish(ctx context.Context, books *ledger, p *partial, from int) error {
	if from < len(p.content) {
		if err := a.send(ctx, books, p, from, len(p.content)); err != nil {
			return err
		}
	}
	dgst := digest.FromBytes(p.content)
	books.ending(p)
	books.try(blobOf(p.repo, dgst), dgst)
	if err := a.created(ctx, http.MethodPut, withQuery(p.location, "digest="+dgst.String()), nil, "application/octet-stream"); err != nil {
		if _, refused := errors.AsType[*statusError](err); refused {
			books.refused(p)
		}
		return err
	}
	books.ack(blobOf(p.repo, dgst), dgst)
	books.ended(p)
	return nil
}

// awaitUpload asks for the offset of an upload until no cut request has it any
// more.
func (a *api) awaitUpload(ctx context.Context, location string) (*answer, error) {
	for {
		ans, err := a.do(ctx, http.MethodGet, location, nil)
		if err != nil || ans.status != http.StatusConflict {
			return ans, err
		}
	}
}

// offsetOf is the offset that an answer about an upload tells.
func offsetOf(ans *answer) int {
	var last int
	if _, err := fmt.Sscanf(ans.header.Get("Range"), "0-%d", &last); err != nil || last == 0 {
		return 0
	}
	return last + 1
}

// remove deletes; nil means that was acknowledged.
func (a *api) remove(ctx context.Context, path string) error {
	ans, err := a.do(ctx, http.MethodDelete, path, nil)
	if err == nil && ans.status != http.StatusAccepted {
		err = &statusError{"DELETE " + path, ans}
	}
	return err
}
