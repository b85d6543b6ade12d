# What the jobs ask of the lake and of MLflow, over HTTP, and how they say that they failed.
package Services;
use v5.36;
use Exporter qw(import);
use HTTP::Tiny;
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Time::HiRes qw(time);

our @EXPORT = qw($JSON experiment start close_run log_batch store_model store artifact artifacts mlflow link_to
    lake must refuse content);
our $JSON = JSON::PP->new->utf8->canonical->allow_nonref;
our $repository;
my $HTTP = HTTP::Tiny->new(timeout => 60, verify_SSL => 1);
# The lake's certificate alone may go unchecked: MLflow has another login.
my $verify = ($ENV{MILLRACE_LAKE_VERIFY_TLS} // 'true') ne 'false';
my $LAKE = HTTP::Tiny->new(timeout => 60, verify_SSL => $verify);
my $open_run;

# MLflow

sub experiment($title) {
    my $found = mlflow(GET => 'experiments/get-by-name', {experiment_name => $title});
    return $found->{experiment}{experiment_id} if $found;
    return mlflow(POST => 'experiments/create', {name => $title})->{experiment_id};
}

sub start($experiment, $key, $title, %tags) {    # a new run's id; or the answer of an earlier try
    my $mine = "tags.`millrace.run_key` = '$key' and attributes.status";
    my $find = sub ($status) {
        my $search = {experiment_ids => [$experiment], filter => "$mine = '$status'"};
        return @{mlflow(POST => 'runs/search', $search)->{runs} // []};
    };
    for my $done ($find->('FINISHED')) {
        my $id = $done->{info}{run_id};
        return {run_id => $id, link => link_to($experiment, $id)};
    }
    update($_->{info}{run_id}, 'KILLED') for $find->('RUNNING');
    %tags = (%tags, 'millrace.run_key' => $key, 'millrace.image' => $ENV{MILLRACE_IMAGE} // '');
    my $created = mlflow(POST => 'runs/create',
        {experiment_id => $experiment, run_name => $title, start_time => now(), tags => pairs(%tags)});
    return $open_run = $created->{run}{info}{run_id};
}

sub close_run($status) {
    return if !defined $open_run;
    my $run_id = $open_run;
    undef $open_run;    # first: to close it may fail, and a failure closes it
    update($run_id, $status);
}

sub update($run_id, $status) {
    mlflow(POST => 'runs/update', {run_id => $run_id, status => $status, end_time => now()});
}

sub log_batch($run_id, $metrics, $params = {}, %tags) {
    my @metrics = map { {key => $_, value => 0 + $metrics->{$_}, timestamp => now(), step => 0} } sort keys %$metrics;
    mlflow(POST => 'runs/log-batch',
        {run_id => $run_id, metrics => \@metrics, params => pairs(%$params), tags => pairs(%tags)});
}

sub store_model($experiment, $run_id, $learned) {
    my $fields = {experiment_id => $experiment, name => 'model', source_run_id => $run_id};
    my $created = mlflow(POST => 'logged-models', $fields)->{model}{info};
    artifacts(PUT => "$created->{artifact_uri}/model.json", $JSON->encode($learned));
    mlflow(PATCH => "logged-models/$created->{model_id}", {model_id => $created->{model_id}, status => 'LOGGED_MODEL_READY'});
    mlflow(POST => 'runs/outputs', {run_id => $run_id, models => [{model_id => $created->{model_id}, step => 0}]});
}

sub store($run_id, $file, $content) { artifacts(PUT => artifact_uri($run_id) . "/$file", $content) }

sub artifact($run_id, $file) { return artifacts(GET => artifact_uri($run_id) . "/$file") }

sub artifact_uri($run_id) { return mlflow(GET => 'runs/get', {run_id => $run_id})->{run}{info}{artifact_uri} }

sub artifacts($method, $uri, $content = undef) {
    my ($path) = $uri =~ m{^mlflow-artifacts:/+(.+)}
        or refuse(64, 'Misconfigured', "MLflow does not serve its artifacts: $uri");
    my $url = "$ENV{MLFLOW_TRACKING_URI}/api/2.0/mlflow-artifacts/artifacts/$path";
    my $got = call($method, $url, login(), $content, 'application/octet-stream');
    refuse(65, 'Absent', "no artifact $path") if !$got->{success};
    return $got->{content};
}

sub mlflow($method, $path, $data = {}) {
    my ($query, $body) = ('', $JSON->encode($data));
    ($query, $body) = ('?' . $HTTP->www_form_urlencode($data), undef) if $method eq 'GET';
    my $got = call($method, "$ENV{MLFLOW_TRACKING_URI}/api/2.0/mlflow/$path$query", login(), $body);
    return undef if $got->{status} == 404;
    return must($got);
}

sub login { return join ':', map { $ENV{"MLFLOW_TRACKING_$_"} // '' } qw(USERNAME PASSWORD) }

sub link_to($experiment, $run_id, $file = undef) {
    return "$ENV{MLFLOW_TRACKING_URI}/#/experiments/$experiment/runs/$run_id" . ($file ? "/artifacts/$file" : '');
}

# The lake

sub lake($method, $path, $query = {}, $body = undef, $type = 'application/json') {
    my $suffix = %$query ? '?' . $HTTP->www_form_urlencode($query) : '';
    my $url = "$ENV{LAKECTL_SERVER_ENDPOINT_URL}/api/v1/repositories/$repository/$path$suffix";
    my $login = join ':', @ENV{map { "LAKECTL_CREDENTIALS_$_" } qw(ACCESS_KEY_ID SECRET_ACCESS_KEY)};
    return call($method, $url, $login, $body, $type, $LAKE);
}

sub call($method, $url, $login, $body = undef, $type = 'application/json', $client = $HTTP) {
    my %headers = ('Content-Type' => $type);
    $headers{Authorization} = 'Basic ' . encode_base64($login, '') if $login ne ':';
    my $got = $client->request($method, $url, {headers => \%headers, defined $body ? (content => $body) : ()});
    my $status = $got->{status};
    refuse(69, 'Unavailable', "$url: $status $got->{content}") if $status >= 500 || $status == 429;
    refuse(64, 'Unauthorized', "$url: $status") if $status == 401 || $status == 403;
    return $got;
}

sub must($got) {
    my $code = $got->{status} =~ /^(404|409)$/ ? 65 : 64;    # a conflict of data is bad data
    refuse($code, 'Refused', "$got->{url}: $got->{status} $got->{content}") if !$got->{success};
    return $JSON->decode($got->{content} || '{}');
}

sub refuse($code, $error, $message) {
    close_run('FAILED');
    say $JSON->encode({error => $error, message => "$message"});
    exit $code;
}

sub content($file, $new = undef) {
    open my $handle, defined $new ? '>:raw' : '<:raw', $file or die "$file: $!";
    if (defined $new) { print {$handle} $new; return close $handle }
    local $/;
    return scalar <$handle>;
}

sub pairs(%named) { return [map { {key => $_, value => "$named{$_}"} } sort keys %named] }

sub now { return int(1000 * time) }

1;
