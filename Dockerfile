# orbitbench with RocksDB. Build it with `make image`; run it with a volume for
# the data, because the container's own overlay file system is no place to
# measure durable writes:
#
#   docker run --rm -v orbitdata:/data -v "$PWD/runs:/results" orbitbench
#
# Both base images are arguments, for registries of your own.
ARG BUILDER=docker.io/library/golang:1.26-bookworm
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BUILDER} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends librocksdb-dev g++ git make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make build

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends librocksdb7.8 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /results orbitbench \
 && mkdir -p /data /results \
 && chown orbitbench /data /results
COPY --from=build /src/bin/orbitbench /usr/local/bin/orbitbench
COPY --from=build /src/LICENSE /src/cmd/orbitbench/notices.txt /usr/share/doc/orbitbench/
USER orbitbench
WORKDIR /results
VOLUME ["/data", "/results"]
ENTRYPOINT ["orbitbench"]
CMD ["run", "--profile", "quick", "--data-dir", "/data/orbitbench", "--out", "/results/run"]
