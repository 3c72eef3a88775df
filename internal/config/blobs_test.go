package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBlobs(t *testing.T) {
	for text, want := range map[string]Blobs{
		"":                       {},
		"file:/srv/blobs":        {Kind: BlobsInDir, Dir: "/srv/blobs"},
		"file:///srv/blobs/":     {Kind: BlobsInDir, Dir: "/srv/blobs"},
		"file:blobs":             {Kind: BlobsInDir, Dir: "blobs"},
		"s3://bucket":            {Kind: BlobsInS3, Bucket: "bucket"},
		"s3://bucket/some/where": {Kind: BlobsInS3, Bucket: "bucket", Prefix: "some/where"},
		"s3://bucket/?endpoint=http://127.0.0.1:7070&region=eu-1&checksum=md5&conditional-writes=false": {
			Kind: BlobsInS3, Bucket: "bucket", Endpoint: "http://127.0.0.1:7070", Region: "eu-1", Checksum: "md5",
			Unconditional: true, PathStyle: true,
		},
		"s3://bucket?endpoint=https://s3.example.com&path-style=false&public-endpoint=https://cdn.example.com": {
			Kind: BlobsInS3, Bucket: "bucket", Endpoint: "https://s3.example.com", PublicEndpoint: "https://cdn.example.com",
		},
		"s3://bucket.with.dots?path-style=true": {Kind: BlobsInS3, Bucket: "bucket.with.dots", PathStyle: true},
		"azblob://account/container":            {Kind: BlobsInAzB, Account: "account", Bucket: "container"},
		"azblob://account/container/a/b?endpoint=http://127.0.0.1:10000/account": {
			Kind: BlobsInAzB, Account: "account", Bucket: "container", Prefix: "a/b", Endpoint: "http://127.0.0.1:10000/account",
		},
	} {
		got, err := parseBlobs(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		want.Text = text
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestBlobsRefused(t *testing.T) {
	for _, text := range []string{
		"bucket", "/srv/blobs", "gs://bucket", "s3:bucket", "s3://", "s3:///prefix", "s3://bucket?regions=x", "s3://bucket?endpoint=s3.example.com",
		"s3://bucket?path-style=perhaps", "s3://bucket?checksum=crc32", "s3://bucket/a//b", "s3://bucket/a/../b", "s3://bucket#x",
		"s3://bucket/" + strings.Repeat("a", 600), "azblob://account", "azblob://account/", "azblob:///container", "azblob://account/container?region=x",
		"file:", "file://host/dir", "file:dir?x=y", "s3://bucket?endpoint=https://user:word@s3.example.com", "%zz",
	} {
		if got, err := parseBlobs(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
	b, err := parseBlobs("s3://key:letmein@bucket")
	if err == nil || strings.Contains(err.Error()+b.String(), "letmein") {
		t.Errorf("a secret in the URL: %v, %q", err, b)
	}
}
