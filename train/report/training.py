"""Charts of a training, also of one that goes on."""

from pathlib import Path

from prepare.records.jsonl import read_log
from train.report.charts import line_chart


def training_charts(log_path: Path) -> list[dict]:
    """Charts of the losses and the validation scores, from as much of `log.csv` as there is."""
    rows = read_log(log_path, "bring it back, or remove it to have the page without it")

    def series(column: str) -> list[tuple[float, float]]:
        return [(float(row["step"]), float(row[column])) for row in rows if row.get(column)]

    charts = [
        line_chart("validation PSNR, dB", "step", {"restored": series("validation_psnr_db")}),
        line_chart("validation HaarPSI", "step", {"restored": series("validation_haarpsi")}),
        line_chart("mean absolute error, of 2", "step", {"l1": series("l1")}),
        line_chart(
            "adversarial losses",
            "step",
            {
                "generator": series("adversarial_loss"),
                "discriminator": series("discriminator_loss"),
            },
            note="both are ln 2 = 0.69 where the discriminator cannot tell",
        ),
    ]
    return [chart for chart in charts if chart["lines"]]
