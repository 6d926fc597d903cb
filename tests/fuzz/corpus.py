"""Records bodies that real programs send, as they send them, decompressed, and chooses the corpora from them.

usage: corpus.py record FOLDER
       corpus.py choose FOLDER    (what was recorded)

Recording runs what it finds on PATH (see scripts/counterparts) and says what it did not find: prometheus, prometheus3, vmagent, telegraf,
otelcol, prometheus-node-exporter, and the OpenTelemetry SDK of the Python that runs this. The text examples in tests/data are added
as they are. Every body that is short enough is kept, in a folder for each target.

Choosing puts those bodies into corpus/ beside this file that reach code which no shorter one reaches. It needs cargo-fuzz.
"""

import gzip
import hashlib
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data"
BODY_BYTES_MAX = 6_000
SECONDS = 10


def snappy(block: bytes) -> bytes:
    """A snappy block, decompressed (format_description.txt of snappy)."""

    def varint(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = block[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return value, at

    length, at = varint(0)
    out = bytearray()
    while at < len(block):
        tag = block[at]
        at += 1
        if tag & 3 == 0:
            size = tag >> 2
            if size >= 60:
                extra = size - 59
                size = int.from_bytes(block[at : at + extra], "little")
                at += extra
            out += block[at : at + size + 1]
            at += size + 1
            continue
        if tag & 3 == 1:
            size, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | block[at]
            at += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            size, offset = (tag >> 2) + 1, int.from_bytes(block[at : at + width], "little")
            at += width
        for _ in range(size):
            out.append(out[-offset])
    assert len(out) == length, "a snappy block holds what it declares"
    return bytes(out)


class Corpus:
    """Bodies by target and sender."""

    def __init__(self) -> None:
        self.bodies: dict[tuple[str, str], list[bytes]] = {}
        self.lock = threading.Lock()

    def add(self, target: str, sender: str, body: bytes) -> None:
        with self.lock:
            self.bodies.setdefault((target, sender), []).append(body)

    def write(self, folder: pathlib.Path) -> None:
        for (target, sender), bodies in sorted(self.bodies.items()):
            small = {body for body in bodies if 0 < len(body) <= BODY_BYTES_MAX}
            if not small:
                print(f"{target}: all bodies of {sender} are too long")
            for body in small:
                (folder / target).mkdir(parents=True, exist_ok=True)
                name = f"{sender}-{hashlib.sha256(body).hexdigest()[:8]}"
                (folder / target / name).write_bytes(body)
        for target in sorted(folder.iterdir()):
            sizes = [file.stat().st_size for file in target.iterdir()]
            print(f"{target.name}: {len(sizes)} bodies, {sum(sizes)} bytes")


CORPUS = Corpus()
OTLP = {"metrics": b"m", "logs": b"l", "traces": b"t"}


def sort(path: str, headers, sent: bytes) -> None:
    """Puts a body where it belongs; the first part of the path is the sender."""
    _, sender, *rest = path.split("?")[0].split("/")
    encoding, kind = headers.get("content-encoding", ""), headers.get("content-type", "")
    body = sent
    if encoding == "gzip":
        body = zlib.decompress(sent, wbits=31)
    elif encoding == "snappy":
        body = snappy(sent)
    if encoding:
        CORPUS.add("decompress", f"{sender}-{encoding}", sent)
    signal = rest[-1]
    if signal in OTLP and "json" in kind:
        CORPUS.add("otlp_json", f"{sender}-{signal}", OTLP[signal] + body)
    elif signal in OTLP:
        CORPUS.add(f"otlp_{signal}", sender, body)
    elif "write.v2" in kind:
        CORPUS.add("remote_write_2", sender, body)
    elif signal == "remote_write":
        CORPUS.add("remote_write_1", sender, body)
    else:
        CORPUS.add("line_protocol", sender, body)


class Recorder(BaseHTTPRequestHandler):
    """Takes everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        if self.headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
        sort(self.path, self.headers, body)
        answer = b"{}" if "json" in self.headers.get("content-type", "") else b""
        self.send_response(200 if "/v1/" in self.path else 204)
        if self.headers.get("content-type", "").startswith("application/"):
            self.send_header("content-type", self.headers["content-type"])
        self.send_header("x-prometheus-remote-write-samples-written", "1")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_) -> None:
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Senders:
    """Programs that run until all is recorded."""

    def __init__(self, folder: pathlib.Path, url: str) -> None:
        self.folder, self.url, self.running = folder, url, []
        self.pages: list[tuple[str, str]] = []

    def start(self, name: str, *arguments: str) -> bool:
        program = shutil.which(name)
        if program is None:
            print(f"skipped: needs {name}")
            return False
        log = (self.folder / f"{name}-{len(self.running)}.log").open("wb")
        self.running.append(subprocess.Popen([program, *arguments], stdout=log, stderr=log))
        return True

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def node_exporter(self) -> str:
        address = f"127.0.0.1:{free_port()}"
        collectors = [f"--collector.{name}" for name in ("loadavg", "meminfo", "stat", "time")]
        if self.start(
            "prometheus-node-exporter",
            f"--web.listen-address={address}",
            "--collector.disable-defaults",
            "--web.disable-exporter-metrics",
            *collectors,
        ):
            self.pages.append(("node_exporter", address))
        return address

    def prometheus(self, program: str, node: str, writes: list[str], features: list[str], scrape: str) -> None:
        address = f"127.0.0.1:{free_port()}"
        queue = "queue_config: {max_samples_per_send: 20, max_shards: 1, batch_send_deadline: 500ms}"
        config = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nremote_write:\n"
        config += "".join(f"- {{url: '{self.url}/{write}, {queue}}}\n" for write in writes)
        config += "scrape_configs:\n"
        config += f"- {{job_name: node, static_configs: [{{targets: ['{node}']}}]}}\n"
        config += f"- {{job_name: prometheus, static_configs: [{{targets: ['{address}']}}]{scrape}}}\n"
        if self.start(
            program,
            f"--config.file={self.file(f'{program}.yml', config)}",
            f"--storage.tsdb.path={self.folder / program}",
            f"--web.listen-address={address}",
            *features,
        ):
            self.pages.append((program, address))

    def vmagent(self, node: str) -> None:
        config = f"global: {{scrape_interval: 1s}}\nscrape_configs:\n- {{job_name: node, static_configs: [{{targets: ['{node}']}}]}}\n"
        self.start(
            "vmagent",
            f"-promscrape.config={self.file('vmagent.yml', config)}",
            f"-remoteWrite.url={self.url}/vmagent/remote_write",
            f"-remoteWrite.tmpDataPath={self.folder / 'vmagent'}",
            "-remoteWrite.maxRowsPerBlock=15",
            f"-httpListenAddr=127.0.0.1:{free_port()}",
        )

    def telegraf(self, node: str, collector: int) -> None:
        lines = self.file(
            "lines.txt",
            'weather,station=north\\ pole,unit=C temperature=-31.5,good=true,note="snow, \\"deep\\"" 1767225600000000000\n'
            "count,kind=a\\,b\\=c n=9007199254740993i,u=18446744073709551615u\n"
            "bare value=1e-7\n",
        )
        config = (
            "[agent]\ninterval = '2s'\nflush_interval = '2s'\nhostname = 'edge-7'\nmetric_batch_size = 30\n"
            "[[inputs.mem]]\n[[inputs.cpu]]\npercpu = false\n"
            f"[[inputs.prometheus]]\nurls = ['http://{node}/metrics']\nurl_tag = ''\n"
            f"[[inputs.file]]\nfiles = ['{lines}']\ndata_format = 'influx'\n"
            f"[[outputs.influxdb]]\nurls = ['{self.url}/telegraf']\ndatabase = 'telegraf'\nskip_database_creation = true\n"
            f"[[outputs.influxdb_v2]]\nurls = ['{self.url}/telegraf_v2']\ntoken = 'x'\norganization = 'o'\nbucket = 'b'\n"
            "influx_uint_support = true\n"
            f"[[outputs.http]]\nurl = '{self.url}/telegraf/remote_write'\ndata_format = 'prometheusremotewrite'\n"
            f"[outputs.http.headers]\nContent-Type = 'application/x-protobuf'\nContent-Encoding = 'snappy'\n"
            f"[[outputs.opentelemetry]]\nservice_address = '127.0.0.1:{collector}'\n"
        )
        self.start("telegraf", "--config", self.file("telegraf.conf", config))

    def collector(self) -> tuple[int, int]:
        grpc, http = free_port(), free_port()
        exporters = "".join(
            f"  otlp_http/{encoding}: {{endpoint: '{self.url}/collector', encoding: {encoding}, compression: {compression}}}\n"
            for encoding, compression in (("proto", "gzip"), ("json", "none"))
        )
        pipeline = "{receivers: [otlp], processors: [batch], exporters: [otlp_http/proto, otlp_http/json]}"
        config = (
            f"receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{grpc}'}}, http: {{endpoint: '127.0.0.1:{http}'}}}}}}}}\n"
            "processors: {batch: {timeout: 200ms, send_batch_size: 20, send_batch_max_size: 20}}\n"
            f"exporters:\n{exporters}"
            f"service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines: {{metrics: {pipeline}, logs: {pipeline}, traces: {pipeline}}}\n"
        )
        self.start("otelcol", "--config", self.file("otelcol.yaml", config))
        return grpc, http

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait()


def sdk(name: str, endpoint: str, delta: bool) -> None:
    """An instrumented program: each kind of instrument, logs, spans."""
    try:
        from opentelemetry import trace
        from opentelemetry._logs import LogRecord, SeverityNumber
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
        from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
        from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
        from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    except ImportError as missing:
        print(f"skipped: needs the OpenTelemetry SDK ({missing})")
        return
    resource = Resource.create({"service.name": name, "host.name": "edge-7", "rack": 4, "zones": ["a", "b"]})
    tracer = TracerProvider(resource=resource)
    tracer.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")))
    spans = tracer.get_tracer("corpus", "1.2", attributes={"layer": "test"})
    kinds = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA} if delta else {}
    metrics = MeterProvider(
        resource=resource,
        metric_readers=[
            PeriodicExportingMetricReader(
                OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics", preferred_temporality=kinds), 3_600_000
            )
        ],
        views=[View(instrument_name="size.*", aggregation=ExponentialBucketHistogramAggregation())],
    )
    meter = metrics.get_meter("corpus", "1.2")
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(endpoint=f"{endpoint}/v1/logs")))
    logger = logs.get_logger("corpus")
    requests, inside = meter.create_counter("http.requests", "1", "served"), meter.create_up_down_counter("inside")
    latency, size = meter.create_histogram("http.server.duration", "s"), meter.create_histogram("size.bytes", "By")
    meter.create_gauge("room.temperature", "Cel").set(-3.25e-7, {"room": "kühl"})
    for turn in range(3):
        with spans.start_as_current_span("GET /things", kind=trace.SpanKind.SERVER) as span:
            span.set_attribute("http.route", "/things")
            span.set_attributes({"retries": turn, "share": 0.5, "cached": turn == 1, "tags": ["x", "y"]})
            span.add_event("cache.miss", {"key": f"k{turn}"})
            requests.add(1 + turn, {"code": 200 + turn})
            latency.record(0.003 * 10**turn, {"route": "/things"})
            size.record(17 * 1000**turn)
            inside.add(-turn)
            with spans.start_as_current_span("SELECT", links=[trace.Link(span.get_span_context(), {"why": "test"})]) as inner:
                inner.set_status(trace.Status(trace.StatusCode.ERROR, "no such table"))
            for body in ("plain text: größer", {"state": "closed", "by": ["ada", {"id": turn}]}, [1, 2.5, None, True]):
                record = LogRecord(
                    timestamp=time.time_ns(),
                    severity_number=SeverityNumber.WARN,
                    severity_text="WARN",
                    body=body,
                    event_name="door.opened",
                    attributes={"door": "main", "minutes": turn, "alarm": True, "raw": b"\x00\xff"},
                )
                logger.emit(record)
        metrics.force_flush()
    for provider in (tracer, metrics, logs):
        provider.shutdown()


def pages(senders: Senders) -> None:
    """Expositions of all that have one, cut at a family where they are too long."""
    kinds = {
        "prometheus_text": ("text/plain;version=0.0.4", b""),
        "open_metrics": ("application/openmetrics-text;version=1.0.0", b"# EOF\n"),
    }
    for name, address in senders.pages:
        for target, (accept, end) in kinds.items():
            request = urllib.request.Request(f"http://{address}/metrics", headers={"accept": accept})
            page = urllib.request.urlopen(request, timeout=5).read().removesuffix(end)
            CORPUS.add("decompress", f"{name}-page-gzip", gzip.compress(page[:8000], mtime=0))
            for part, start in enumerate((0, 20_000, 60_000)):
                start = page.find(b"# HELP", start)
                cut = page[start : start + 5_000]
                if start < 0:
                    continue
                if start + 5_000 < len(page):
                    cut = cut[: cut.rfind(b"# HELP")]
                CORPUS.add(target, f"{name}-{part}", cut + end)


def choose(recorded: pathlib.Path) -> None:
    """The fuzzer chooses by coverage and names what it keeps by its hash; the senders' names are put back."""
    for folder in sorted(recorded.iterdir()):
        names = {hashlib.sha1(file.read_bytes()).hexdigest(): file for file in folder.iterdir()}
        with tempfile.TemporaryDirectory() as chosen:
            run = ["cargo", "+nightly", "fuzz", "run", "--fuzz-dir", str(HERE), folder.name, chosen, str(folder)]
            limits = ["-set_cover_merge=1", f"-max_len={BODY_BYTES_MAX + 1}", "-detect_leaks=0"]
            subprocess.run([*run, "--", *limits], check=True, capture_output=True)
            target = HERE / "corpus" / folder.name
            target.mkdir(parents=True, exist_ok=True)
            for file in pathlib.Path(chosen).iterdir():
                shutil.copy(names[file.name], target)
            print(f"{folder.name}: {len(list(target.iterdir()))} of {len(names)}")


def record(folder: pathlib.Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory() as scratch:
        senders = Senders(pathlib.Path(scratch), url)
        try:
            node = senders.node_exporter()
            grpc, http = senders.collector()
            native = "--enable-feature=native-histograms"
            senders.prometheus(
                "prometheus",
                node,
                ["prometheus_2/remote_write', send_exemplars: true, send_native_histograms: true"],
                [native, "--enable-feature=exemplar-storage"],
                "",
            )
            two = "prometheus_3/remote_write', protobuf_message: io.prometheus.write.v2.Request, send_native_histograms: true"
            one = "prometheus_3/remote_write', send_exemplars: true, send_native_histograms: true"
            features = ["--enable-feature=exemplar-storage,created-timestamp-zero-ingestion,metadata-wal-records"]
            senders.prometheus("prometheus3", node, [one, two], features, ", scrape_native_histograms: true")
            senders.vmagent(node)
            time.sleep(2)
            senders.telegraf(node, grpc)
            sdk("sdk", f"{url}/sdk", False)
            sdk("sdk_delta", f"{url}/sdk_delta", True)
            if shutil.which("otelcol"):
                sdk("through", f"http://127.0.0.1:{http}", True)
            time.sleep(SECONDS)
            pages(senders)
        finally:
            senders.stop()
    for file in sorted(DATA.glob("*.prom")):
        CORPUS.add("prometheus_text", file.stem, file.read_bytes())
    CORPUS.write(folder)


def main() -> None:
    match sys.argv[1:]:
        case ["record", folder]:
            record(pathlib.Path(folder))
        case ["choose", folder]:
            choose(pathlib.Path(folder))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
