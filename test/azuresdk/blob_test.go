package azuresdk

import (
	"bytes"
	"io"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/containers/azcontainerregistry"
)

func TestBlobs(t *testing.T) {
	const repo = "blobs/of/the-sdk"
	c := newApplication(t, "Contributor").blobs(t)
	ctx := t.Context()
	content := bytes.Repeat([]byte("0123456789abcdef"), 6<<10)

	// In two chunks with ranges.
	half := len(content) / 2
	begun := must(c.StartUpload(ctx, repo, nil))(t)
	sum := azcontainerregistry.NewBlobDigestCalculator()
	first := must(c.UploadChunk(ctx, *begun.Location, bytes.NewReader(content[:half]), sum, &azcontainerregistry.BlobClientUploadChunkOptions{
		RangeStart: to.Ptr(int32(0)), RangeEnd: to.Ptr(int32(half - 1)),
	}))(t)
	if status := must(c.GetUploadStatus(ctx, *first.Location, nil))(t); *status.Range != *first.Range || *status.DockerUploadUUID == "" {
		t.Errorf("%v, %v", *status.Range, *first.Range)
	}
	second := must(c.UploadChunk(ctx, *first.Location, bytes.NewReader(content[half:]), sum, &azcontainerregistry.BlobClientUploadChunkOptions{
		RangeStart: to.Ptr(int32(half)), RangeEnd: to.Ptr(int32(len(content) - 1)),
	}))(t)
	done := must(c.CompleteUpload(ctx, *second.Location, sum, nil))(t)
	digest := *done.DockerContentDigest

	if found := must(c.CheckBlobExists(ctx, repo, digest, nil))(t); *found.ContentLength != int64(len(content)) || *found.DockerContentDigest != digest {
		t.Errorf("%+v", found)
	}
	got := must(c.GetBlob(ctx, repo, digest, nil))(t)
	reader := must(azcontainerregistry.NewDigestValidationReader(digest, got.BlobData))(t)
	if all := must(io.ReadAll(reader))(t); !bytes.Equal(all, content) {
		t.Error("the blob is another")
	}
	chunk := must(c.CheckChunkExists(ctx, repo, digest, "bytes=10-19", nil))(t)
	if *chunk.ContentLength == 0 {
		t.Errorf("%+v", chunk)
	}
	part := must(c.GetChunk(ctx, repo, digest, "bytes=10-19", nil))(t)
	if all := must(io.ReadAll(part.ChunkData))(t); !bytes.Equal(all, content[10:20]) || *part.ContentLength != 10 {
		t.Errorf("%q, %+v", all, part)
	}

	mounted := must(c.MountBlob(ctx, "blobs/mounted", repo, digest, nil))(t)
	if *mounted.DockerContentDigest != digest {
		t.Errorf("%+v", mounted)
	}
	must(c.CheckBlobExists(ctx, "blobs/mounted", digest, nil))(t)
	must(c.DeleteBlob(ctx, "blobs/mounted", digest, nil))(t)
	if _, err := c.CheckBlobExists(ctx, "blobs/mounted", digest, nil); status(err) != 404 {
		t.Errorf("deleted: %v", err)
	}

	cancelled := must(c.StartUpload(ctx, repo, nil))(t)
	must(c.CancelUpload(ctx, *cancelled.Location, nil))(t)
	if _, err := c.GetUploadStatus(ctx, *cancelled.Location, nil); status(err) != 404 {
		t.Errorf("cancelled: %v", err)
	}
}
