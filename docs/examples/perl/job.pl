#!/usr/bin/perl
# The four jobs of docs/job-contract.md without Python: Perl asks the lake and MLflow over HTTP, DuckDB's
# command reads and writes Parquet. The model is naive Bayes, over categories and over tenths of numbers.
use v5.36;
use Digest::SHA qw(sha256_hex);
use FindBin;
use lib $FindBin::Bin;
use List::Util qw(all max uniq);
use Services;
use Time::HiRes qw(time);
use Time::Piece;

my $SCRATCH = "/tmp/job-$$";

$SIG{TERM} = $SIG{ALRM} = sub { close_run('KILLED'); exit 143 };
alarm($ENV{MILLRACE_SECONDS} || 0);
mkdir $SCRATCH;

my ($spec, $run) = map { read_json($_) } qw(MILLRACE_JOB MILLRACE_RUN);
my ($name, $until, $commit) = @$spec{qw(pipeline_name until commit)};
my $contract = contract("/contracts/$name.json");
my $model = $contract->{model};
$Services::repository = $contract->{lake}{repository} // $contract->{name} =~ tr/_/-/r;
my ($table, $branch) = ($contract->{lake}{table}, $contract->{lake}{branch} // 'main');
my %jobs = (train => \&train, evaluate => \&evaluate, score => \&score, measure => \&measure);
my $job = $jobs{$ARGV[0] // ''} or refuse(64, 'Misconfigured', "no such job: @ARGV");
my $answer = eval { $job->() } or refuse(70, 'ModelFailed', $@);
say $JSON->encode($answer);

# The jobs

sub train {
    my $experiment = experiment("$name.train");
    my $found = start($experiment, $spec->{run_key}, "until $until",
        'millrace.commit' => $commit, 'millrace.trained_until' => $until);
    return $found if ref $found;
    my $first = day($until, 1 - days('training', 'window'));
    my $fitted = day($until, -days('training', 'holdout'));
    my $rows = "SELECT * FROM (" . rows_of(parts($commit, $table, $first, $fitted)) . ") WHERE y IS NOT NULL";
    my ($count) = sql("SELECT count(*) AS rows, count(DISTINCT y) AS classes FROM ($rows)");
    refuse(65, 'NotEnoughData', "$count->{rows} rows from $first to $fitted")
        if $count->{rows} < 100 or $count->{classes} < 2;
    my $began = time;
    my $learned = fit("($rows)", {%{$model->{params} // {}}, %{$spec->{params} // {}}});
    my ($target, $answers) = (quoted($model->{target}), probability($learned));
    sql("COPY (SELECT * EXCLUDE y, y AS $target, $answers AS prediction FROM ($rows)
        USING SAMPLE 5000 ROWS (reservoir, 7)) TO '$SCRATCH/reference.parquet'");
    store($found, 'features.json', $JSON->encode($model->{features}));
    store($found, 'reference.parquet', content("$SCRATCH/reference.parquet"));
    log_batch($found, {'fit.rows' => $count->{rows}, 'fit.seconds' => time - $began},
        {first => $first, fit_until => $fitted, smoothing => $learned->{smoothing}});
    store_model($experiment, $found, $learned);
    close_run('FINISHED');
    return {run_id => $found, link => link_to($experiment, $found)};
}

sub evaluate {
    my $candidate = $spec->{candidate};
    my $version = champion();
    my %models = (candidate => model_of($candidate));
    $models{champion} = model_of(run_of($version)) if $version;
    my $metric = known_metric($contract->{gate});
    my $slice = $contract->{gate}{slices} && quoted($contract->{gate}{slices}{column});
    my $held = rows_of(parts($commit, $table, day($until, 1 - days('training', 'holdout')), $until));
    my (%worth, %slices, $rows);
    for my $alias (sort keys %models) {
        my $scored = "SELECT *, " . probability($models{$alias}) . " AS p FROM ($held) WHERE y IS NOT NULL";
        ($worth{$alias}, $rows) = auc($scored);
        next if !$slice;
        my @values = sql("SELECT DISTINCT $slice AS v FROM ($held) WHERE $slice IS NOT NULL");
        for my $value (map { $_->{v} } @values) {
            my ($auc, $count) = auc("SELECT * FROM ($scored) WHERE $slice = " . text($value));
            $slices{$value}{$alias} = $auc if defined $auc && $count >= 100;
        }
    }
    refuse(65, 'NotEnoughData', "$rows held-out rows") if $rows < 100 || !defined $worth{candidate};
    my $latency = latency(probability($models{candidate}), $held);
    my @drops = map { $_->{champion} - $_->{candidate} } grep { exists $_->{champion} } values %slices;
    log_batch($candidate,
        {'held_out.roc_auc' => $worth{candidate}, 'held_out.rows' => $rows, latency_ms => $latency});
    store($candidate, 'slices.json', $JSON->encode(\%slices));
    my $experiment = experiment("$name.train");
    return {training_run => $candidate, metric => $metric, rows => $rows, candidate => $worth{candidate},
        champion => $worth{champion}, champion_version => $version,
        slice_drop => @drops ? max(@drops) : undef, latency_ms => $latency,
        link => link_to($experiment, $candidate, 'slices.json')};
}

sub score {
    my ($first, $own) = (day($until, 1 - days('monitoring', 'window')), "score-$until-" . run_hash());
    my $parts = parts($commit, $table, $first, $until);
    my $there = parts($commit, "${name}_predictions", $first, $until);
    my %present = map { $_->{path} => 1 } map { @$_ } values %$there;
    my @missing = grep { !$present{answers_path($_, $parts->{$_})} } sort keys %$parts;
    return {commit => $commit, days => 0, rows => 0} if !@missing;
    if (my $done = earlier($own)) {
        return {commit => $done->{id}, days => 0 + @missing, rows => 0 + $done->{metadata}{rows}};
    }
    my $answers = probability(model_of(run_of($spec->{version})));
    my ($rows, $time) = (0, quoted($model->{time}));
    lake(POST => 'branches', {}, $JSON->encode({name => $own, source => $commit}));    # 409: it is there
    for my $day (@missing) {
        my $file = "$SCRATCH/answers.parquet";
        my $source = rows_of({$day => $parts->{$day}});
        sql("COPY (SELECT $time, $answers AS prediction FROM ($source)) TO '$file'");
        my ($count) = sql("SELECT count(*) AS n FROM '$file'");
        $rows += $count->{n};
        my $path = answers_path($day, $parts->{$day});
        must(lake(POST => "branches/$own/objects", {path => $path}, content($file), 'application/octet-stream'));
    }
    my %note = (dag_id => $run->{dag_id}, run_id => $run->{run_id}, source_branch => $own, pipeline => $name,
        version => "$spec->{version}", rows => "$rows", latency_ms => '' . latency($answers, rows_of($parts)));
    my $body = {message => "score until $until", metadata => \%note};
    lake(POST => "branches/$own/commits", {}, $JSON->encode($body));    # 400: an earlier try did
    my $merged = must(lake(POST => "refs/$own/merge/$branch", {}, $JSON->encode($body)));
    lake(DELETE => "branches/$own", {});
    return {commit => $merged->{reference}, days => 0 + @missing, rows => $rows};
}

sub measure {
    my $experiment = experiment("$name.monitor");
    my ($trained, $limits) = (run_of($spec->{version}), $contract->{monitoring});
    refuse(64, 'Misconfigured', 'this image judges no fairness') if $limits->{fairness};
    known_metric($limits->{performance}) if $limits->{performance};
    my $training = mlflow(GET => 'runs/get', {run_id => $trained})->{run};
    my %learned = map { $_->{key} => $_->{value} } @{$training->{data}{tags}};
    my $found = start($experiment, "$spec->{run_key}/$commit", $until, 'millrace.as_of' => $until,
        'millrace.version' => "$spec->{version}", 'millrace.trained_until' => $learned{'millrace.trained_until'});
    return $found if ref $found;
    my $rows = with_answers(day($until, 1 - days('monitoring', 'window')));
    my ($count) = sql("SELECT count(*) AS n FROM ($rows)");
    content("$SCRATCH/reference.parquet", artifact($trained, 'reference.parquet'));
    my ($learnt, %numbers, @drifted, @reasons) = (model_of($trained), rows => $count->{n});
    my @features = map { @{$learnt->{features}{$_}} } qw(numerical categorical);
    for my $feature (@features) {
        my $bins = bin($learnt, $feature);
        my $distance = distance(map { shares($bins, $_) } "($rows)", "'$SCRATCH/reference.parquet'");
        $numbers{"drift.$feature"} = $distance;
        push @drifted, $feature if $distance >= ($limits->{drift}{methods}{jensenshannon} // 0.1);
    }
    $numbers{'drifted.share'} = @drifted / @features;
    push @reasons, "$numbers{'drifted.share'} of the features drifted: @drifted"
        if $numbers{'drifted.share'} >= ($limits->{drift}{share} // 0.3);
    my %worth = map { $_->{key} => $_->{value} } @{$training->{data}{metrics}};
    my $labelled = day($until, 1 - days('monitoring', 'label_delay'));
    my ($auc, $known) = auc("SELECT *, prediction AS p FROM ($rows)
        WHERE y IS NOT NULL AND _day <= '$labelled'");
    $numbers{labelled} = $known;
    if ($limits->{performance} && defined $auc && $known >= 100 && defined $worth{'held_out.roc_auc'}) {
        $numbers{'performance.roc_auc'} = $auc;
        push @reasons, "roc_auc fell from $worth{'held_out.roc_auc'} to $auc"
            if $worth{'held_out.roc_auc'} - $auc > ($limits->{performance}{max_drop} // 0.05);
    }
    store($found, 'drift.html', join '<tr>', '<table>', map { "<td>$_<td>$numbers{$_}" } sort keys %numbers);
    my %verdict = (passed => @reasons ? \0 : \1, reasons => \@reasons, numbers => \%numbers,
        drifted => \@drifted);
    store($found, 'verdict.json', $JSON->encode(\%verdict));
    log_batch($found, \%numbers, {}, 'millrace.verdict' => @reasons ? 'failed' : 'passed');
    close_run('FINISHED');
    return {run_id => $found, link => link_to($experiment, $found, 'drift.html')};
}

# The model: a weight for every bin of every feature

sub fit($rows, $params) {
    my $more = 0 + ($params->{smoothing} // 1);
    my $learned = {features => $model->{features}, edges => {}, weights => {}, smoothing => $more};
    my ($all) = sql("SELECT avg(y) AS rate FROM $rows");
    $learned->{bias} = log($all->{rate} / (1 - $all->{rate}));
    for my $feature (@{$model->{features}{numerical}}) {
        my $tenths = join ', ', map { $_ / 10 } 1 .. 9;
        my $number = "CAST(" . quoted($feature) . " AS DOUBLE)";
        my ($found) = sql("SELECT quantile_cont($number, [$tenths]) AS edges FROM $rows");
        $learned->{edges}{$feature} = $found->{edges};
    }
    for my $feature (map { @{$model->{features}{$_}} } qw(numerical categorical)) {
        my ($bin, $odds) = (bin($learned, $feature), "(sum(y) + $more) / (sum(1 - y) + $more)");
        my @found = sql("SELECT $bin AS bin, ln($odds) AS weight FROM $rows GROUP BY ALL");
        $learned->{weights}{$feature} = {map { $_->{bin} => $_->{weight} - $learned->{bias} } @found};
    }
    return $learned;
}

sub bin($learned, $feature) {
    my ($column, $edges) = (quoted($feature), $learned->{edges}{$feature});
    return "coalesce(CAST($column AS VARCHAR), '')" if !$edges;
    my $steps = join ' ', map { "WHEN CAST($column AS DOUBLE) < $edges->[$_] THEN '$_'" } 0 .. $#$edges;
    return "CASE WHEN $column IS NULL THEN '' $steps ELSE '" . @$edges . "' END";
}

sub probability($learned) {
    my @terms = $learned->{bias};
    for my $feature (sort keys %{$learned->{weights}}) {
        my $weights = $learned->{weights}{$feature};
        my @bins = sort keys %$weights;
        my $cases = join ' ', map { 'WHEN ' . text($_) . ' THEN ' . (0 + $weights->{$_}) } @bins;
        push @terms, "CASE " . bin($learned, $feature) . " $cases ELSE 0 END";
    }
    return '1 / (1 + exp(-(' . join(' + ', @terms) . ')))';
}

sub auc($scored) {
    my ($found) = sql("SELECT n, (sum(rank) FILTER (y = 1) - ones * (ones + 1) / 2) / (ones * (n - ones)) AS auc
        FROM (SELECT y, count(*) OVER () AS n, sum(y) OVER () AS ones,
            rank() OVER (ORDER BY p) + (count(*) OVER (PARTITION BY p) - 1) / 2 AS rank FROM ($scored))
        GROUP BY ones, n");
    return $found && defined $found->{auc} ? (0 + $found->{auc}, $found->{n}) : (undef, $found->{n} // 0);
}

sub known_metric($section) {
    my $metric = $section->{metric} // 'roc_auc';
    refuse(64, 'Misconfigured', "this image knows roc_auc, not $metric") if $metric ne 'roc_auc';
    return $metric;
}

sub shares($bins, $rows) {
    my $share = "count(*) / sum(count(*)) OVER ()";
    my @found = sql("SELECT $bins AS bin, $share AS share FROM $rows GROUP BY ALL");
    return {map { $_->{bin} => $_->{share} } @found};
}

sub distance($some, $others) {    # Jensen-Shannon, 0..1
    my $sum = 0;
    for my $bin (keys %{{%$some, %$others}}) {
        my ($p, $q) = ($some->{$bin} // 0, $others->{$bin} // 0);
        $sum += $_ && $_ * log(2 * $_ / ($p + $q)) / log(2) / 2 for $p, $q;
    }
    return sqrt max(0, $sum);
}

sub latency($answers, $rows) {    # of a whole call, as this model is called
    my @times = map { my $began = time; sql("SELECT $answers AS p FROM ($rows) LIMIT 1"); time - $began } 1 .. 5;
    return 1000 * (sort { $a <=> $b } @times)[2];
}

# Rows of the lake

sub parts($ref, $below, $first, $last) {    # {day => [object, …]}, the parts of a day as their rows follow
    my $part = qr/(?:part-[^\/]*|v\d+-[0-9a-f]{12})\.parquet/;    # other objects are not the table's
    my ($after, %found) = ("$below/dt=$first");
    while (defined $after) {
        my $query = {prefix => "$below/dt=", after => $after, amount => 1000};
        my $page = must(lake(GET => "refs/$ref/objects/ls", $query));
        for my $object (@{$page->{results}}) {
            my ($day) = $object->{path} =~ m{^\Q$below\E/dt=(\d{4}-\d\d-\d\d)/$part$};
            push @{$found{$day}}, $object if $day && $day le $last;
        }
        $after = $page->{pagination}{has_more} ? $page->{pagination}{next_offset} : undef;
    }
    @$_ = sort { length $a->{path} <=> length $b->{path} || $a->{path} cmp $b->{path} } @$_ for values %found;
    return \%found;
}

sub rows_of($parts) {    # a query; `y` is the target as 0, 1 or null
    refuse(65, 'Absent', "no partition of $table for these days at $commit") if !%$parts;
    my @files = map { fetched($commit, $_->{path}) } map { @{$parts->{$_}} } sort keys %$parts;
    my @names = ($model->{time}, map { @{$model->{features}{$_}} } qw(numerical categorical));
    push @names, $contract->{gate}{slices}{column} if $contract->{gate}{slices};
    my ($columns, $target) = (join(', ', map { quoted($_) } uniq(@names)), quoted($model->{target}));
    my $list = join ', ', map { "'$_'" } @files;
    return "SELECT $columns, CAST($target AS DOUBLE) AS y FROM read_parquet([$list], union_by_name = true)";
}

sub with_answers($first) {
    my $parts = parts($commit, $table, $first, $until);
    my @days = map {
        my $answers = fetched($spec->{predictions_commit} // $commit, answers_path($_, $parts->{$_}));
        my $rows = rows_of({$_ => $parts->{$_}});
        "SELECT rows.*, answers.prediction, '$_' AS _day FROM ($rows) rows POSITIONAL JOIN '$answers' answers"
    } sort keys %$parts;
    refuse(65, 'NotEnoughData', "no partition from $first to $until") if !@days;
    return join ' UNION ALL BY NAME ', @days;
}

sub answers_path($day, $parts) {
    my $content = join "\n", map { "$_->{path} $_->{size_bytes} $_->{checksum}" } @$parts;
    my $short = substr sha256_hex($content), 0, 12;
    return "${name}_predictions/dt=$day/v$spec->{version}-$short.parquet";
}

sub fetched($ref, $path) {
    my $file = "$SCRATCH/" . sha256_hex("$ref/$path") . '.parquet';
    return $file if -e $file;
    my $got = lake(GET => "refs/$ref/objects", {path => $path});
    refuse(65, 'Absent', "no $path at $ref") if !$got->{success};
    content($file, $got->{content});
    return $file;
}

sub earlier($own) {
    my $log = must(lake(GET => "refs/$branch/commits", {amount => 500}));
    my %wanted = (dag_id => $run->{dag_id}, run_id => $run->{run_id}, source_branch => $own);
    for my $found (@{$log->{results}}) {
        return $found if all { ($found->{metadata}{$_} // '') eq $wanted{$_} } keys %wanted;
    }
    return undef;
}

# Models and versions in MLflow

sub model_of($run_id) {
    my $found = mlflow(GET => 'runs/get', {run_id => $run_id});
    my $outputs = $found && $found->{run}{outputs}{model_outputs}
        or refuse(65, 'Absent', "run $run_id stored no model");
    my $stored = mlflow(GET => "logged-models/$outputs->[-1]{model_id}");
    return $JSON->decode(artifacts(GET => "$stored->{model}{info}{artifact_uri}/model.json"));
}

sub champion {    # its version, if there is one
    my $found = mlflow(GET => 'registered-models/get', {name => $name});
    my ($alias) = grep { $_->{alias} eq 'champion' } @{$found->{registered_model}{aliases} // []};
    return $alias && 0 + $alias->{version};
}

sub run_of($version) {
    my $found = mlflow(GET => 'model-versions/get', {name => $name, version => $version})
        or refuse(65, 'Absent', "no version $version");
    return $found->{model_version}{run_id};
}

# Files, days, SQL

sub sql($query) {
    open my $out, '-|', 'duckdb', '-json', '-bail', ':memory:', '-c', $query or die "duckdb: $!";
    local $/;
    my $output = <$out> // '';
    close $out or die "duckdb ended with " . ($? >> 8) . ": $query";
    return $output =~ /\S/ ? @{$JSON->decode($output)} : ();
}

sub read_json($variable) {
    return eval { $JSON->decode($ENV{$variable} || '{}') } || refuse(64, 'Misconfigured', "$variable: $@");
}

sub contract($file) {
    refuse(64, 'Misconfigured', "this image has no pipeline $name") if !-e $file;
    return $JSON->decode(content($file));
}

sub days($section, $key) {
    my ($count) = ($contract->{$section}{$key} // '') =~ /^(\d+)d$/
        or refuse(64, 'Misconfigured', "$section.$key is no number of days");
    return $count;
}

sub day($date, $shift) { return (Time::Piece->strptime($date, '%Y-%m-%d') + 86400 * $shift)->ymd }
sub run_hash { return substr sha256_hex("$run->{dag_id}/$run->{run_id}"), 0, 8 }
sub quoted($column) { return '"' . $column =~ s/"/""/gr . '"' }
sub text($value) { return "'" . $value =~ s/'/''/gr . "'" }
